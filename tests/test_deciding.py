"""What would decide an undecided gate: commands that really make the families it lacks, and that can be judged."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stored import CASES, GUIDE, SIX, run_of

from phi4bench.cli import main
from phi4bench.datasets import load_cases
from phi4bench.generating import MOST_FAMILIES, draw_families
from phi4bench.phrasing import irrelevant, missing_info, requests
from phi4bench.phrasing.engine import Pool
from phi4bench.report.deciding import COMMAND, to_decide
from phi4bench.report.figures import report, targets_facts
from phi4bench.report.findings import finding
from phi4bench.report.markdown import markdown
from phi4bench.report.page import page
from phi4bench.report.terminal import summary
from phi4bench.run.judgement import Judgement
from phi4bench.run.judging import SUITE_GATES, assess, conclude
from phi4bench.targets import parse_targets

TARGETS = parse_targets(GUIDE, "guide")
CALLS = [case.id for case in CASES if case.expects_call]
PROSE = [case.id for case in CASES if not case.expects_call]
SHIPPED_FAMILIES = {case.group for case in load_cases(None).cases}


def judged(wrong: Sequence[str], targets: Any = TARGETS, sources: Sequence[str] | None = (), **facts: Any) -> Judgement:
    """Of the 170 cases with a call and the 150 with prose, those named `wrong`; the rest right."""
    stored = {} if sources is None else {"sources": list(sources)}
    return assess(run_of("nano", wrong, **stored, **facts), None, targets)


UNDECIDED = judged(CALLS[:5])  # 165 of 170: 97.1%, astride the 95% of `tool`
TWO = parse_targets(
    "".join(
        f'[[gate]]\nname = "{name}"\nfloor = {floor}\nsource = "x"\n'
        for name, floor in (("tool", 0.95), ("parameter", 0.96))
    ),
    "mine",
)
SELECTION = parse_targets('[[gate]]\nname = "selection"\nfloor = 0.95\nsource = "x"', "mine")


def families_of(judgement: Judgement, gate: str) -> int:
    result = judgement.result(gate)
    assert result
    assert result.more_groups
    return result.more_groups


def test_an_undecided_gate_names_the_command_that_makes_its_families() -> None:
    more = families_of(UNDECIDED, "tool")
    heading, command, then = to_decide(UNDECIDED, "tool")
    assert heading == "to decide, generate the missing families:"
    assert command == f"phi4bench cases --families {more} --expecting call --out more-call.jsonl"
    assert then == "and judge them too, by the same command with --cases shipped --cases more-call.jsonl"


def test_several_undecided_gates_of_one_kind_take_one_command_with_the_largest_number() -> None:
    both = judged(CALLS[:5], TWO)
    tool, parameter = (families_of(both, name) for name in ("tool", "parameter"))
    assert tool < parameter
    commands = [line for line in to_decide(both) if line.startswith(COMMAND)]
    assert len(commands) == 1
    assert f"--families {parameter} " in commands[0]


def test_abstention_and_single_scenarios_take_families_of_their_own_kind() -> None:
    held_back = judged(PROSE[:11])  # 139 of 150: 92.7%, astride 90%
    assert "--expecting prose --out more-prose.jsonl" in to_decide(held_back, "abstention")[1]
    selection = judged([name for name in CALLS if name.startswith("grep")][:3], SELECTION)  # 82 of 85
    assert "--expecting call --scenario selection --out more-selection.jsonl" in to_decide(selection)[1]


def test_what_is_decided_or_beyond_the_edge_asks_for_nothing() -> None:
    assert to_decide(judged([])) == ()
    assert to_decide(judged(CALLS)) == ()
    below = judged(CALLS[:9])  # 94.7%, below 95 but not clearly: no number of families would let `tool` pass
    assert to_decide(below, "tool") == ()
    assert "no number of further families would let it pass" in finding(below, "tool").text


def test_a_second_round_lies_beside_the_first() -> None:
    again = to_decide(judged(CALLS[:5], sources=["shipped", "more-call.jsonl", "my cases.jsonl"]), "tool")
    assert "--beside shipped --beside more-call.jsonl --beside 'my cases.jsonl' --seed 3" in again[1]
    assert again[1].endswith("--out more-call-2.jsonl")
    assert again[2].endswith(
        "--cases shipped --cases more-call.jsonl --cases 'my cases.jsonl' --cases more-call-2.jsonl"
    )


def test_cases_of_ones_own_are_for_the_user_to_write() -> None:
    more = families_of(UNDECIDED, "tool")
    assert to_decide(judged(CALLS[:5], sources=["mine.jsonl"]), "tool") == (
        f"to decide, bring more families of your own: {more:,} that expect a call",
    )


def test_a_sample_is_first_judged_whole() -> None:
    (line,) = to_decide(judged(CALLS[:5], limit=320), "tool")
    assert "without --limit" in line


def test_a_number_that_the_grammar_does_not_hold_is_not_promised() -> None:
    edge = parse_targets('[[gate]]\nname = "tool"\nfloor = 0.9700\nsource = "x"', "mine")
    judgement = judged(CALLS[:5], edge)  # 97.06% against 97%: a hundred thousand families and more
    assert families_of(judgement, "tool") > 100_000
    _, command, remark, _ = to_decide(judgement)
    assert "--families 8000 " in command
    assert "bring case files of your own for the rest" in remark


@pytest.mark.parametrize(
    ("kind", "pools"),
    [
        ("prose", (irrelevant.POOL, missing_info.ASK_POOL)),
        ("missing_info", (missing_info.RETRY_POOL,)),
        ("selection", tuple(requests.POOLS.values())),
    ],
)
def test_no_more_families_are_promised_than_the_grammar_holds(kind: str, pools: Sequence[Pool]) -> None:
    held = {family.name for pool in pools for family in pool.of["test"]} - SHIPPED_FAMILIES
    assert 0.9 * len(held) < MOST_FAMILIES[kind] <= len(held)


def test_every_report_carries_the_command_whole() -> None:
    result = UNDECIDED, conclude(UNDECIDED, SUITE_GATES)
    command = next(line for line in to_decide(UNDECIDED) if line.startswith(COMMAND))
    assert f"  {command}" in [line for line, _ in summary(*result)]
    shown = page([result], TARGETS, "now")
    assert command in shown.partition("<h3>")[0], "above the first table, as an answer to the verdict"
    figures = report([result], targets_facts(TARGETS))
    assert command in figures["artifacts"][0]["to_decide"]
    assert f"- {command}" in markdown(figures)
    told = finding(UNDECIDED, "tool")
    assert told.outcome == "INCONCLUSIVE"
    assert to_decide(UNDECIDED, "tool")[1] in told.text
    assert "\n" not in told.text


# --- the command itself -------------------------------------------------------------------------------------------


def made(tmp_path: Path, *arguments: str) -> Path:
    path = tmp_path / "more.jsonl"
    path.unlink(missing_ok=True)
    assert main(["cases", *arguments, "--out", str(path)]) == 0
    return path


@pytest.mark.parametrize(
    ("arguments", "expects_call", "scenarios"),
    [
        pytest.param((), True, {"single", "selection", "multi_turn", "parallel", "missing_info"}, id="call"),
        pytest.param(("--expecting", "prose"), False, {"irrelevant", "missing_info"}, id="prose"),
        pytest.param(("--scenario", "multi_turn"), True, {"multi_turn"}, id="one-scenario"),
        pytest.param(("--scenario", "irrelevant"), False, {"irrelevant"}, id="irrelevant"),
    ],
)
def test_it_makes_as_many_new_families_as_it_says(
    tmp_path: Path, arguments: tuple[str, ...], expects_call: bool, scenarios: set[str]
) -> None:
    cases = load_cases([str(made(tmp_path, "--families", "60", *arguments))]).cases
    families = Counter(case.group for case in cases)
    assert len(families) == 60
    assert not set(families) & SHIPPED_FAMILIES
    assert max(families.values()) <= 2
    assert {case.expects_call for case in cases} == {expects_call}
    assert {case.scenario for case in cases} <= scenarios
    assert len({repr(case.messages) for case in cases}) == len(cases)


def test_seed_0_is_a_seed_of_its_own(tmp_path: Path) -> None:
    zero = made(tmp_path, "--families", "5", "--seed", "0").read_text()
    assert zero != made(tmp_path, "--families", "5", "--seed", "1").read_text()


def test_they_can_be_judged_beside_the_shipped_ones_and_a_second_round_is_new_again(tmp_path: Path) -> None:
    first = made(tmp_path, "--families", "30").rename(tmp_path / "first.jsonl")
    second = made(tmp_path, "--families", "30", "--beside", "shipped", "--beside", str(first), "--seed", "2")
    alone = [{case.group for case in load_cases([str(path)]).cases} for path in (first, second)]
    assert not alone[0] & alone[1]
    together = load_cases(["shipped", str(first), str(second)])
    assert {case.group for case in together.cases} == SHIPPED_FAMILIES | alone[0] | alone[1]
    assert together.name == "shipped+first+more"


def test_they_are_not_written_over_cases_that_they_lie_beside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = made(tmp_path, "--families", "5")
    before = mine.read_bytes()
    arguments = ["--families", "5", "--beside", "shipped", "--beside", str(mine), "--out", str(mine)]
    assert main(["cases", *arguments]) == 4
    assert "is one of the files that they lie beside; name another file" in capsys.readouterr().err
    assert mine.read_bytes() == before


def test_the_same_command_makes_the_same_cases(tmp_path: Path) -> None:
    first = made(tmp_path, "--families", "20").read_bytes()
    assert made(tmp_path, "--families", "20").read_bytes() == first
    assert made(tmp_path, "--families", "20", "--seed", "2").read_bytes() != first


def test_no_family_of_training_is_among_them() -> None:
    """The grammar splits its families before anything is drawn: 2,000 training cases share none."""
    from phi4bench.generating import draw_cases

    trained = {case.group for case in draw_cases("train", 2000, 3, SIX)}
    assert not trained & {case.group for case in draw_families(60, 1, SIX, ())}


def test_a_grammar_that_ends_gives_what_it_has_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("phi4bench.generating.PATIENCE", 5)
    assert main(["cases", "--families", "1000", "--scenario", "missing_info", "--out", str(tmp_path / "x.jsonl")]) == 4
    error = capsys.readouterr().err
    assert "--families=1000, but the grammar gives only " in error
    assert "bring case files of your own for the rest" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param("--families 0", "--families=0, but should be at least 1", id="none"),
        pytest.param("--families 5 --count 5", "as many cases as they hold", id="with-a-count"),
        pytest.param("--families 5 --split train", "draws from the test split", id="of-training"),
        pytest.param("--expecting prose", "give --families N too", id="kind-alone"),
        pytest.param("--families 5 --beside /no/cases.jsonl", "/no/cases.jsonl", id="beside-nothing"),
        pytest.param("--families 99999", "the grammar holds some 8,000 of the kind; ask for fewer", id="beyond-any"),
        pytest.param(
            "--families 5 --scenario irrelevant --expecting call",
            "no case of --scenario irrelevant expects a call; leave --expecting out",
            id="no-such-call",
        ),
        pytest.param("--families 5 --scenario single --expecting prose", "expects prose", id="no-such-prose"),
        pytest.param("--families many", "invalid int value: 'many'", id="in-words"),
    ],
)
def test_a_request_that_means_nothing_is_one_line(
    arguments: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["cases", *shlex.split(arguments), "--out", str(tmp_path / "x.jsonl")])
    except SystemExit as stop:
        code = int(stop.code or 0)
    error = capsys.readouterr().err
    assert code == 4
    assert said in error
    assert error.count("\n") == 1


def test_a_report_of_an_undecided_run_fits_the_published_schema() -> None:
    import jsonschema

    from phi4bench.datasets import schemas_dir
    from phi4bench.report.writing import to_json

    data = json.loads(to_json(report([(UNDECIDED, conclude(UNDECIDED, SUITE_GATES))], targets_facts(TARGETS))))
    schema = json.loads((schemas_dir() / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(data)
