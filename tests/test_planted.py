"""Planted damage does what it says and nothing else, equivalents are equivalent, and a stopped experiment goes on."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="reads and writes ONNX files: needs phi4bench[train]")

from benchmarks.planted import __main__ as planted
from benchmarks.planted import truth
from benchmarks.planted.damage import Damage, plant
from benchmarks.planted.sameness import TOLERANCE, difference_of_equivalent, largest_difference, logits, prompts_of
from benchmarks.planted.search import find_strength, sites
from benchmarks.planted.table import Judged, Result, table, totals
from benchmarks.planted.truth import Loss, answer, asked, losses, unseen_cases
from benchmarks.planted.weights import Weights, changed_tensors
from phi4bench.datasets import fixtures_dir, load_cases
from phi4bench.run.options import RunOptions
from phi4bench.run.plan import make_plan

MODELS = fixtures_dir() / "models"
FP32, INT8, INT4 = (MODELS / f"nano-{precision}" for precision in ("fp32", "int8", "int4"))
DAMAGES = {
    "noise": (Damage("noise", "layers.2.mlp.down_proj", 0.5), "model.layers.2.mlp.down_proj.MatMul.weight"),
    "head": (Damage("head", "layers.1.head.3", 1.0), "model.layers.1.attn.o_proj.MatMul.weight"),
    "name": (Damage("name", "grep>read", 0.5), "lm_head.MatMul.weight"),
}


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    return prompts_of(INT8, load_cases(None).cases[::300])


def read_token(prompts: list[list[int]]) -> int:
    """A token in the last prompt's second half, which is its request."""
    return prompts[-1][-5]


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damage_changes_one_matrix_and_the_logits(kind, tmp_path: Path, prompts):
    damage, matrix = DAMAGES[kind]
    plant(INT8, tmp_path / kind, damage, FP32)
    assert {name.removesuffix("_Q8").removesuffix("_scales") for name in changed_tensors(INT8, tmp_path / kind)} == {
        matrix
    }
    assert largest_difference(INT8, tmp_path / kind, prompts) > 0.1


def test_a_blanked_embedding_row_changes_that_row_alone(tmp_path: Path, prompts):
    token = read_token(prompts)
    plant(INT8, tmp_path / "blank", Damage("embedding", str(token), 1.0), FP32)
    before, after = Weights(INT8).embedding(), Weights(tmp_path / "blank").embedding()
    assert np.flatnonzero((before != after).any(axis=1)).tolist() == [token]
    assert not after[token].any()
    assert largest_difference(INT8, tmp_path / "blank", prompts) > 0.1


def test_an_embedding_that_is_tied_is_blanked_in_the_head_too(tmp_path: Path):
    """nano-int4 looks tokens up in the head's own matrix."""
    plant(INT4, tmp_path / "blank", Damage("embedding", "417", 1.0), FP32)
    assert not Weights(tmp_path / "blank").matrix("lm_head")[:, 417].any()


def test_more_noise_is_more_change(tmp_path: Path):
    before, changes = Weights(INT8).matrix("lm_head"), []
    for strength in (0.0, 0.2, 0.4):
        folder = tmp_path / str(strength)
        plant(INT8, folder, Damage("noise", "lm_head", strength), FP32)
        changes.append(float(np.sqrt(np.mean((Weights(folder).matrix("lm_head") - before) ** 2))))
    rms = float(np.sqrt(np.mean(before**2)))
    assert changes[0] == 0.0
    assert changes[1:] == pytest.approx([0.2 * rms, 0.4 * rms], rel=0.02)  # what was asked for, less the rounding


def test_a_zeroed_head_is_zero_and_the_others_are_as_they_were(tmp_path: Path):
    plant(INT8, tmp_path / "head", DAMAGES["head"][0], FP32)
    before, after = (Weights(folder).matrix("layers.1.attn.o_proj") for folder in (INT8, tmp_path / "head"))
    assert not after[192:].any()  # the last of 4 heads of 64
    assert np.array_equal(after[:192], before[:192])


def test_a_name_swapped_whole_is_the_other_name(tmp_path: Path):
    plant(INT8, tmp_path / "name", Damage("name", "grep>read", 1.0), FP32)
    vocabulary = json.loads((INT8 / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    grep, read = vocabulary["grep"], vocabulary["read"]
    before, after = (Weights(folder).matrix("lm_head") for folder in (INT8, tmp_path / "name"))
    assert after[:, [grep, read]] == pytest.approx(before[:, [read, grep]], abs=1e-6)


@pytest.mark.parametrize("folder", [INT8, INT4], ids=["int8", "int4"])
def test_quantizing_gives_the_builders_own_bytes(folder):
    """So that a matrix which is damaged and quantized again differs by its damage alone."""
    whole, quantized = Weights(FP32), Weights(folder)
    for site in quantized.sites:
        before = quantized._blocks(quantized._node(site))
        after = before.with_values(whole.matrix(site))
        assert np.array_equal(after.numbers, before.numbers), site
        assert np.array_equal(after.scales, before.scales), site


@pytest.mark.parametrize(
    ("folder", "site"), [(INT8, "blocks"), (INT4, "blocks"), (INT8, "requantized"), (FP32, "any")], ids=str
)
def test_an_equivalent_has_other_bytes_and_the_same_logits(folder, site, tmp_path: Path, prompts):
    damage = Damage("equivalent", site, seed=1)
    plant(folder, tmp_path / "same", damage, FP32)
    changed = {name.split(".")[-3] for name in changed_tensors(folder, tmp_path / "same")}
    assert changed == {"gate_proj", "up_proj", "down_proj"}
    assert difference_of_equivalent(tmp_path / "same", folder, FP32, damage, prompts) <= TOLERANCE


def test_channels_that_move_without_what_reads_them_are_no_equivalent(tmp_path: Path, prompts):
    weights = Weights(INT8)
    order = np.arange(weights.matrix("layers.0.mlp.up_proj").shape[1])[::-1]
    for site in ("layers.0.mlp.gate_proj", "layers.0.mlp.up_proj"):
        weights.reorder(site, outputs=order)
    weights.save(tmp_path)
    (tmp_path / "genai_config.json").write_bytes((INT8 / "genai_config.json").read_bytes())
    assert largest_difference(INT8, tmp_path, prompts) > 1.0


def test_channels_are_not_torn_out_of_their_block():
    weights = Weights(INT8)
    order = np.random.default_rng(0).permutation(len(weights.matrix("layers.0.mlp.down_proj")))
    with pytest.raises(ValueError, match="torn apart"):
        weights.reorder("layers.0.mlp.down_proj", inputs=order)


def test_a_planted_artifact_is_paired_with_the_parent_that_it_names(tmp_path: Path):
    plant(INT8, tmp_path / "planted", DAMAGES["noise"][0], FP32)
    subject = make_plan(RunOptions(models=(str(tmp_path / "planted"),), report_dir=tmp_path, cache=False)).subjects[0]
    assert subject.no_baseline == ""
    assert subject.baseline is not None
    assert subject.baseline.path.resolve() == FP32.resolve()
    assert subject.artifact.precision == "int8"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(Damage("noise", "layers.9.mlp.up_proj", 1), "layers.0.mlp.up_proj", id="no-such-matrix"),
        pytest.param(Damage("head", "layers.0.head.4", 1), "layers.0.head.3", id="no-such-head"),
        pytest.param(Damage("name", "grep>grep", 1), "two tokens", id="one-token"),
        pytest.param(Damage("embedding", "1024", 1), "below 1024", id="no-such-token"),
        pytest.param(Damage("head", "layers.0.head.0", 1.5), "from 0 to 1", id="stronger-than-zeroed"),
    ],
)
def test_a_damage_that_cannot_be_done_is_told(damage, told, tmp_path: Path):
    with pytest.raises(ValueError, match=told):
        plant(INT8, tmp_path / "planted", damage, FP32)
    assert not (tmp_path / "planted").exists()


def test_truth_is_drawn_from_cases_that_the_gate_does_not_see(tmp_path: Path):
    shipped = {asked(case) for case in load_cases(None).cases}
    cases = unseen_cases(tmp_path / "truth.jsonl", 60, 7, shipped)
    assert len({asked(case) for case in cases} - shipped) == 60
    assert unseen_cases(tmp_path / "truth.jsonl", 60, 7, shipped) == cases


def test_a_loss_and_its_error_by_hand():
    """Families a, b, c of 2, 1 and 1 cases; a loses one, b loses one, c gains one: a loss of (2 - 1) / 4.

    Residuals are 1 - 2/4, 1 - 1/4 and -1 - 1/4, their squares 0.25 + 0.5625 + 1.5625 = 2.375, and the error is
    sqrt(2.375 * 3 / 2) / 4.
    """
    shipped = [case for case in load_cases(None).cases if case.expected.calls][:4]
    cases = [replace(case, group=group) for case, group in zip(shipped, "aabc", strict=True)]
    loss = losses(cases, "4443", "4334")["parameter"]
    assert (loss.lost, loss.gained, loss.cases, loss.families) == (2, 1, 4, 3)
    assert loss.points == 0.25
    assert loss.error == pytest.approx(0.471865, abs=1e-6)
    assert losses(cases, "4443", "4334")["tool"].points == 0.0


def test_answers_that_were_cut_off_go_on_where_they_were(monkeypatch):
    monkeypatch.setattr(truth, "CHUNK", 3)
    cases = load_cases(None).cases[::200]
    seen: list[str] = []
    part = answer(INT8, cases, on_chunk=lambda marks: bool(seen.append(marks)))
    assert len(part) == 3
    rest = answer(INT8, cases, part, on_chunk=lambda marks: not seen.append(marks))
    assert [len(marks) for marks in seen] == [3, 6, len(cases)]
    assert rest == answer(INT8, cases)


def test_the_search_grows_and_halves_until_the_loss_is_right():
    tried: list[float] = []

    def loss_at(strength: float) -> float:
        tried.append(strength)
        return strength**2

    assert find_strength(loss_at, (0.30, 0.40), 0.25, 1.0) == 0.625  # 0.39
    assert tried == [0.25, 0.5, 1.0, 0.75, 0.625]


def test_the_search_gives_up_where_all_of_it_is_not_enough():
    assert find_strength(lambda strength: 0.01 * strength, (0.05, 0.10), 0.5, 1.0) is None


def test_there_are_places_for_each_kind_of_damage():
    cases = load_cases(None).cases[:100]
    found = {kind: [one.site for one in itertools.islice(sites(kind, INT8, cases), 22)] for kind in planted.DAMAGES}
    assert len(set(found["noise"])) == 21  # and then again, with another seed
    assert len(found["head"]) == 16
    assert "grep>read" in found["name"]
    assert len(found["embedding"]) == len(set(found["embedding"])) == 22


def result(kind: str, loss: float, outcome: str) -> Result:
    judged = {"parameter": Judged(0.05, 0.03, 0.07, 0.02, outcome)}
    return Result(Damage(kind, "somewhere", 0.5), "", {"parameter": Loss(loss, 0.003, 50, 10, 1000, 900)}, judged)


def test_the_totals_do_not_hide_an_artifact_that_passed():
    found = [result("noise", 0.06, "FAIL"), result("head", 0.07, "PASS"), result("equivalent", 0.0, "FAIL")]
    text = "\n".join([*table(found), *totals(found, 40, 10, 0.02)])
    assert "1 of 2 passed (wanted: 0 of 40)" in text
    assert "0 of 1 passed (wanted: 10 of 10)" in text
    assert "UNFINISHED: 38 damaged and 9 equivalent ones are missing" in text
    assert "6.0±0.3" in text


def test_a_killed_experiment_goes_on_and_measures_nothing_twice(tmp_path: Path, monkeypatch, capsys):
    """The whole course, with marks in place of models: damaged ones lose a call of 12 in the search, of 5 in truth."""
    truths: list[str] = []
    left = [3]

    def marks_of(folder: Path, cases, known="", threads=None, batch=None, on_chunk=lambda marks: True) -> str:
        damaged = "artifacts" in str(folder) and "equivalent" not in str(folder)
        if len(cases) == 240 and damaged:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            truths.append(folder.name)
        calling = [at for at, case in enumerate(cases) if case.expected.calls]
        lost = set(calling[:: 5 if len(cases) == 240 else 12] if damaged else ())
        right = ["4" if case.expected.calls else "1" for case in cases]
        marks = "".join("0" if at in lost else one for at, one in enumerate(right))
        on_chunk(marks)
        return marks

    def judged(experiment, result):
        outcome = "PASS" if result.equivalent else "FAIL"
        return replace(result, gate={gate: Judged(0.0, 0.0, 0.0, 0.02, outcome) for gate in truth.GATES})

    monkeypatch.setattr(planted, "answer", marks_of)
    monkeypatch.setattr(planted, "judge", judged)
    command = ["planted", "--out", str(tmp_path / "out"), "--cases", "240", "--screen", "60"]
    monkeypatch.setattr(sys, "argv", [*command, "--wanted", "5", "--equivalents", "1"])
    with pytest.raises(SystemExit):
        planted.main()
    left[0] = 100
    planted.main()
    assert len(truths) == len(set(truths)) == 5
    out = capsys.readouterr().out
    assert "0 of 5 passed (wanted: 0 of 5)" in out
    assert "1 of 1 passed (wanted: 1 of 1)" in out
    assert "UNFINISHED" not in out
    monkeypatch.setattr(sys, "argv", [*command[:-1], "61", "--table"])
    with pytest.raises(SystemExit, match="other models or cases"):
        planted.main()


def test_logits_are_read_for_each_position(prompts):
    assert [one.shape for one in logits(INT8, prompts[:1])] == [(len(prompts[0]), 1024)]
