"""`phi4bench verify` on fidelity, size and speed: measured once, they are judged again from what is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from promoted import Promoted, differences
from stored import GUIDE

from phi4bench.cli import main
from phi4bench.datasets import schemas_dir
from phi4bench.fidelity import CaseFidelity, fidelity_to_json, summarise
from phi4bench.sizes import Part, Size, size_to_json, weighed

FIDELITY_TARGETS = (
    GUIDE
    + """
[[gate]]
name = "perplexity_ratio"
ceiling = { int8 = 1.02 }
source = "test"

[[gate]]
name = "top1_agreement"
floor = { int8 = 0.95 }
source = "test"

[[gate]]
name = "size_ratio"
ceiling = { int8 = 0.3 }
least_parameters = 1000
source = "test"
"""
)


def fidelity_of(more: float) -> dict[str, Any]:
    """60 answers of 10 tokens in as many families, each `more` nats less likely than to the baseline."""
    cases = [
        CaseFidelity(f"case-{number}", f"family-{number}", 10, 2.0 + more, 2.0, 10, (0.001,) * 10, 0.0)
        for number in range(60)
    ]
    return fidelity_to_json(summarise(cases))


class TestMeasuredGates:
    """Fidelity and size need the model once; later they are judged again from what is stored with the transcripts."""

    def made(self, folder: Path, more: float = 0.05, fidelity: dict[str, Any] | None = None) -> Promoted:
        size = Size(weighed([Part("MLP", 25, 2000, 100)], False, 0), weighed([Part("MLP", 100, 2000, 100)], False, 0))
        facts = {"fidelity": fidelity or fidelity_of(more), "size": size_to_json(size)}
        folder.mkdir(exist_ok=True)
        promoted = Promoted(folder)
        promoted.make(FIDELITY_TARGETS, **facts)
        return promoted

    def test_required_ones_are_in_the_statement_and_verified(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        promoted = self.made(tmp_path)
        gates = {gate["name"]: gate for gate in promoted.data()["predicate"]["gates"]}
        assert gates["perplexity_ratio"]["rate"] == pytest.approx(1.00501, abs=1e-5)  # exp(0.05 / 10)
        assert gates["perplexity_ratio"]["target"] == 1.02
        assert gates["top1_agreement"]["rate"] == 1.0
        assert gates["size_ratio"]["rate"] == 0.25
        assert {gate["outcome"] for gate in gates.values()} == {"PASS"}
        schema = json.loads((schemas_dir() / "promotion.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(promoted.data())
        assert main(promoted.arguments()) == 0
        assert "13 gates by guide, every number as stated" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("name", "member", "value"),
        [
            pytest.param("perplexity_ratio", "rate", 1.001, id="perplexity"),
            pytest.param("perplexity_ratio", "target", 1.5, id="its-target"),
            pytest.param("top1_agreement", "rate", 0.99, id="agreement"),
            pytest.param("size_ratio", "rate", 0.2, id="size"),
        ],
    )
    def test_an_edited_number_is_named(
        self, name: str, member: str, value: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        promoted = self.made(tmp_path)

        def edit(data: dict[str, Any]) -> None:
            next(gate for gate in data["predicate"]["gates"] if gate["name"] == name)[member] = value

        promoted.edit(edit)
        (line,) = differences(promoted, capsys)
        assert line.startswith(f"promotion.json: predicate.gates.{name}.{member} is {value}, but the transcripts give ")

    @pytest.mark.parametrize(
        "fidelity",
        [
            pytest.param(fidelity_of(0.3), id="perplexity-up-3-percent"),
            pytest.param({"missing": "other tokens"}, id="not-measured"),
        ],
    )
    def test_one_that_does_not_pass_promotes_nothing(self, fidelity: dict[str, Any], tmp_path: Path) -> None:
        assert not self.made(tmp_path, fidelity=fidelity).statement.exists()

    def test_one_that_is_left_out_of_the_statement_is_missed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        promoted = self.made(tmp_path)
        promoted.edit(
            lambda data: data["predicate"].update(
                gates=[gate for gate in data["predicate"]["gates"] if gate["name"] != "perplexity_ratio"]
            )
        )
        (line,) = differences(promoted, capsys)
        assert line.startswith("promotion.json: predicate.gates.perplexity_ratio is missing, but the transcripts give ")


CRASH = "int8: the process that timed it was ended by SIGSEGV"


class TestSpeed:
    def made(self, folder: Path, *crashed: str) -> Promoted:
        promoted = Promoted(folder)
        promoted.make(slo={"missing": {}, "crashed": list(crashed)})
        schema = json.loads((schemas_dir() / "promotion.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(promoted.data())
        return promoted

    def test_one_that_broke_while_it_was_timed_in_passing_says_so(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        promoted = self.made(tmp_path, CRASH)
        assert promoted.data()["predicate"]["slo"] == {"crashed": [CRASH]}
        assert main(promoted.arguments()) == 0
        assert f"it broke while it was timed, which its targets do not ask for: {CRASH}" in capsys.readouterr().out
        promoted.edit(lambda data: data["predicate"]["slo"]["crashed"].clear())
        (line,) = differences(promoted, capsys)
        assert line.startswith("promotion.json: predicate.slo.crashed")

    def test_one_that_did_not_and_one_that_was_not_timed_are_told_apart(self, tmp_path: Path) -> None:
        (tmp_path / "timed").mkdir()
        assert self.made(tmp_path / "timed").data()["predicate"]["slo"] == {"crashed": []}
        untimed = Promoted(tmp_path)
        untimed.make()
        assert untimed.data()["predicate"]["slo"] is None
