"""`phi4bench compare`: the A/B rule, its edges, and the runs that it will not compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from kit import case_line
from scipy.stats import binomtest
from stored import CASES, cases_of, run_of, store
from test_stability import determinism

from phi4bench.cases import Case
from phi4bench.cli import main
from phi4bench.comparing import METRICS, Comparison, Decision, compare
from phi4bench.dialects import TURNS, dialect_named
from phi4bench.run.judging import score_run
from phi4bench.runfile import SavedRun
from phi4bench.xfails import parse_xfails, to_stored

READ = [f"read-{number}" for number in range(85)]
CHATS = [f"chat-{number}" for number in range(170, 320)]


def compared(
    a: Sequence[str],
    b: Sequence[str],
    minimum: float = 0.05,
    metrics: Sequence[str] = ("parameter",),
    critical: Sequence[str] = METRICS,
    cases: Sequence[Case] = CASES,
) -> Comparison:
    """Two runs that are wrong in the cases `a` and `b`."""
    before, after = (score_run(run_of("x", wrong, cases)) for wrong in (a, b))
    return compare(before, after, minimum, metrics, critical)


class TestTheRule:
    """170 cases expect a call and 150 do not, each a family of its own: one case is 0.59 points of a level."""

    @pytest.mark.parametrize(
        ("a", "b", "minimum", "decision"),
        [
            pytest.param(READ[:20], [], 0.05, Decision.ship, id="11.8-points-better"),
            pytest.param(READ[:20], [], 0.15, Decision.iterate, id="better-but-not-by-15"),
            pytest.param(READ[:40], READ[20:40], 0.15, Decision.iterate, id="better-and-room-for-15-but-not-by-15"),
            pytest.param(READ[:20], READ[10:29], 0.0, Decision.iterate, id="half-a-point-better-by-chance"),
            pytest.param([], READ[:20], 0.05, Decision.roll_back, id="11.8-points-worse"),
            pytest.param(READ[:20], CHATS[:20], 0.05, Decision.roll_back, id="better-but-calls-for-a-chat"),
            pytest.param(READ[:20], READ[:20], 0.05, Decision.iterate, id="the-same-answers"),
            pytest.param([], READ[:1], 0.05, Decision.iterate, id="one-case-worse"),
        ],
    )
    def test_it_decides(self, a: list[str], b: list[str], minimum: float, decision: Decision) -> None:
        assert compared(a, b, minimum).decision is decision

    def test_what_is_seen_is_told_beside_the_minimum(self) -> None:
        # 20 of 170 are 11.8 points.
        assert compared(READ[:40], READ[20:40], 0.15).reasons == ("parameter: +11.8 points; the minimum is 15",)
        same = "parameter: both runs are right in the very same cases; the minimum is 5"
        assert compared(READ[:20], READ[:20]).reasons == (same,)
        shipped = "parameter improves significantly, by at least 5 points"
        assert compared(READ[:20], []).reasons == (shipped,)
        # One of 170 is 0.6 points.
        assert compared(READ[:20], READ[:21]).reasons == ("parameter: -0.6 points; the minimum is 5",)

    def test_a_regression_that_is_not_critical_stops_shipping_and_no_more(self) -> None:
        found = compared(READ[:20], CHATS[:20], critical=("parameter",))
        assert found.decision is Decision.iterate
        assert found.reasons == ("abstention regresses significantly, though it is not critical",)

    def test_every_metric_chosen_has_to_improve(self) -> None:
        a = READ[:20] + CHATS[:2]
        assert compared(a, CHATS[:2]).decision is Decision.ship
        found = compared(a, CHATS[:2], metrics=("parameter", "abstention"))
        assert found.decision is Decision.iterate
        assert found.reasons[0].startswith("abstention: A is right in 98.7% of the cases, which leaves 1.3 points")

    def test_the_minimum_itself_is_enough(self) -> None:
        # 17 of 170 are 10 points to the last bit.
        assert compared(READ[:17], [], 0.10).decision is Decision.ship
        assert compared(READ[:17], [], 0.101).decision is Decision.iterate

    def test_where_a_leaves_no_room_no_minimum_can_be_reached(self) -> None:
        # 7 of 170 wrong: 95.9% right, 4.1 points of room.
        found = compared(READ[:7], [])
        assert found.decision is Decision.iterate
        (reason,) = found.reasons
        assert "A is right in 95.9% of the cases, which leaves 4.1 points" in reason
        assert "no B can improve by the minimum of 5" in reason
        assert compared(READ[:7], [], 0.04).decision is Decision.ship

    def test_too_few_families_ship_nothing_and_roll_nothing_back(self) -> None:
        cases = [replace(case, group=f"family-{index % 39}") for index, case in enumerate(CASES[:170])]
        better, worse = compared(READ[:40], [], cases=cases), compared([], READ[:40], cases=cases)
        assert better.decision is worse.decision is Decision.iterate
        assert better.reasons == ("parameter: 39 families of cases, but should be at least 40 to tell",)

    def test_nor_do_families_of_which_a_few_hold_most_cases(self) -> None:
        # 40 families of one case and 130 cases in one more: 170^2 / (40 + 130^2) = 1.7 of one size.
        cases = [replace(case, group=f"family-{min(index, 40)}") for index, case in enumerate(CASES[:170])]
        better, worse = compared(READ, [], cases=cases), compared([], READ, cases=cases)
        assert better.decision is worse.decision is Decision.iterate
        why = "parameter: 41 families of cases count as 1 of one size, so uneven are they"
        assert better.reasons == (f"{why}, but should count as at least 25 to tell",)

    def test_one_phrasing_family_that_got_better_is_no_evidence(self) -> None:
        # The same 20 gains of 170: in 20 families they ship, in a single one they do not.
        group = {f"read-{number}": "one" for number in range(20)}
        cases = [replace(case, group=group.get(case.id, case.group)) for case in CASES[:170]]
        assert compared(READ[:20], []).decision is Decision.ship
        found = compared(READ[:20], [], cases=cases)
        assert found.decision is Decision.iterate
        assert found.reasons == ("parameter: +11.8 points, but not significantly so",)

    def test_a_single_case_tells_nothing(self) -> None:
        found = compared([READ[0]], [], cases=CASES[:1])
        assert found.decision is Decision.iterate
        assert found.reasons == ("parameter: a single case cannot tell two runs apart",)

    def test_mcnemar_is_scipys(self) -> None:
        result = compared(READ[:20], READ[15:23]).results["parameter"]
        assert (result.lost, result.gained) == (3, 15)
        assert result.mcnemar_p == pytest.approx(binomtest(3, 18).pvalue)
        assert result.difference == pytest.approx(12 / 170)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code: object = main(["compare", *map(str, arguments)])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert isinstance(code, int)
    return code, captured.out, captured.err


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


class TestTheCommand:
    def folders(self, tmp_path: Path, a: SavedRun, b: SavedRun) -> tuple[Path, Path]:
        return store(tmp_path / "a", a), store(tmp_path / "b", b)

    @pytest.mark.parametrize(
        ("a", "b", "code", "decision"),
        [
            pytest.param(READ[:20], [], 0, "SHIP", id="ship"),
            pytest.param([], READ[:20], 1, "ROLL BACK", id="roll-back"),
            pytest.param(READ[:3], READ[:2], 10, "ITERATE", id="iterate"),
        ],
    )
    def test_exit_codes_and_the_last_line(
        self, a: list[str], b: list[str], code: int, decision: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folders = self.folders(tmp_path, run_of("old", a), run_of("new", b))
        got, out, _ = said(capsys, *folders, "--minimum", 5)
        assert (got, out.splitlines()[-1]) == (code, f"  decision  {decision}")
        assert max(map(len, out.splitlines())) < 80

    def test_the_table_has_a_row_a_metric(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folders = self.folders(tmp_path, run_of("old", READ[:20]), run_of("new", READ[:3]))
        _, out, _ = said(capsys, *folders, "--minimum", 5)
        rows = {line.split()[0]: line.split() for line in reversed(out.splitlines()) if line.startswith("  ")}
        # 150 and 167 of 170. Two-sided p of 17 heads in 17 throws: 2 / 2^17 = 1.5e-05.
        assert rows["parameter"][1:5] == ["88.2%", "98.2%", "0/17", "+10.0"]
        assert rows["parameter"][-1] == "2e-05"
        assert set(METRICS) <= set(rows)

    def test_the_widest_interval_stands_apart_from_its_points(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folders = self.folders(tmp_path, run_of("old", READ[:2], CASES[:2]), run_of("new", cases=CASES[:2]))
        _, out, _ = said(capsys, *folders, "--minimum", 5)
        row = next(line.split() for line in out.splitlines() if line.startswith("  parameter"))
        assert row[3:8] == ["0/2", "+100.0", "-90.4", "to", "+100.0"]

    def test_all_right_and_all_wrong_are_told(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        wrong = [case.id for case in CASES if case.expects_call]
        folders = self.folders(tmp_path, run_of("old", wrong), run_of("new", wrong))
        code, out, _ = said(capsys, *folders, "--minimum", 5)
        assert code == 10
        assert "tool, parameter: both runs are wrong in every case" in out
        assert "detection, parsing, abstention: both runs are right in every case" in out

    def test_a_file_of_transcripts_is_a_run_a_baselines_too(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = store(tmp_path, run_of("old", READ[:20], role="baseline"), run_of("new"))
        transcripts = folder / "transcripts"
        code, _, _ = said(capsys, transcripts / "old.jsonl", transcripts / "new.jsonl", "--minimum", 5)
        assert code == 0
        assert said(capsys, transcripts / "old.jsonl", folder, "--minimum", 5)[0] == 0

    def test_cases_of_only_one_run_are_left_out_with_a_warning(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        edited = case_line(0) | {"messages": [{"role": "user", "content": "Something else"}]}
        other = (*cases_of([edited]), *CASES[1:300])
        folders = self.folders(tmp_path, run_of("old", READ[:20]), run_of("new", cases=other))
        code, out, _ = said(capsys, *folders, "--minimum", 5)
        assert code == 0
        assert "299 cases in 299 families" in out
        assert "warning: only 299 cases in both runs, of 320 in A and 300 in B" in out
        assert "warning: left out for one id with different contents: 1 case\n" in out
        assert "0/19" in out

    def test_cases_that_are_not_stable_count_as_judged_and_are_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        changed = determinism(["read-0", "read-1"])
        folders = self.folders(tmp_path, run_of("old", READ[:20]), run_of("new", determinism=changed))
        code, out, _ = said(capsys, *folders, "--minimum", 5)
        assert code == 0
        assert "warning: RUN_B: 2 cases of" in out
        assert max(map(len, out.splitlines())) < 80
        assert "0/20" in out
        code, out, _ = said(capsys, *reversed(folders), "--minimum", 5)
        assert "warning: RUN_A: 2 cases of" in out
        assert "gates take them for wrong" in " ".join(out.split())
        one = store(tmp_path / "one", run_of("new", determinism=determinism(["read-0"])))
        assert "gates take it for wrong" in " ".join(said(capsys, folders[0], one, "--minimum", 5)[1].split())

    def test_known_failures_count_as_in_the_other_run_and_that_is_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        listed = parse_xfails(f'[[xfail]]\ngroup = "{CASES[0].group}"\nreason = "x"\n', "known.toml")
        known = run_of("new", xfails=to_stored(listed, [case.group for case in CASES]))
        code, out, _ = said(capsys, *self.folders(tmp_path, run_of("old", READ[:20]), known), "--minimum", 5)
        assert code == 0
        assert "RUN_B was judged without its known failures; they are counted here" in " ".join(out.split())
        assert "0/20" in out

    @pytest.mark.parametrize(
        ("b", "why"),
        [
            pytest.param(run_of("old"), "same artifact (old, same sha256), so there is nothing to judge", id="same"),
            pytest.param(
                run_of("old", decoding={"max_new_tokens": 64, "mode": "free"}),
                "decoded differently: max_new_tokens 256 and 64",
                id="same-and-another-decoding",
            ),
            pytest.param(
                run_of("new", dialect=dialect_named("hermes")),
                "RUN_A speaks tool_use in phi turns and RUN_B hermes in chatml turns",
                id="dialect",
            ),
            pytest.param(
                run_of("new", dialect=dialect_named("tool_use").with_turns(TURNS["llama3"])),
                "RUN_A speaks tool_use in phi turns and RUN_B tool_use in llama3 turns",
                id="turns",
            ),
            pytest.param(
                run_of("new", decoding={"max_new_tokens": 64, "mode": "free", "system_prompt": "Hi"}),
                "decoded differently: max_new_tokens 256 and 64; system_prompt none and 'Hi'",
                id="decoding",
            ),
            pytest.param(
                run_of("new", cases=[replace(case, id=f"x{case.id}") for case in CASES]),
                "share no case (not one id is in both)",
                id="no-shared-case",
            ),
            pytest.param(
                run_of("new", cases=cases_of([case_line(0) | {"messages": [{"role": "user", "content": "Else"}]}])),
                "share no case (1 share an id, but not their content)",
                id="one-id-and-other-content",
            ),
            pytest.param(run_of("new", missing=3), "RUN_B: new lacks 3 of 320 completions", id="unfinished"),
            pytest.param(run_of("new", missing=3), "run the same command to its end", id="unfinished-so-go-on"),
            pytest.param(
                run_of("new", missing=3, stopped_early={"gates": ["tool"], "seed": 7, "pairs": 0}),
                "judge it without --sequential",
                id="rejected-early",
            ),
            pytest.param(run_of("new", missing=320, needed=False), "run suites/accuracy too", id="nothing-generated"),
        ],
    )
    def test_what_cannot_be_compared_is_one_line_and_exit_4(
        self, b: SavedRun, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, out, error = said(capsys, *self.folders(tmp_path, run_of("old"), b), "--minimum", 5)
        assert code == 4
        assert why in error
        assert error.count("\n") == 1
        assert not out

    def test_one_case_is_told_to_be_too_few(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folders = self.folders(tmp_path, run_of("old", READ[:1], cases=CASES[:1]), run_of("new", cases=CASES[:1]))
        code, out, _ = said(capsys, *folders, "--minimum", 5)
        assert code == 10
        assert "a single case cannot tell two runs apart" in " ".join(out.split())
        assert "decision  ITERATE" in out

    @pytest.mark.parametrize(
        ("spoil", "why"),
        [
            pytest.param(lambda folder: folder / "gone", "gone' is not there", id="no-folder"),
            pytest.param(lambda folder: folder, "holds no transcripts", id="empty-folder"),
            pytest.param(lambda folder: written(folder / "x.jsonl", "{}\n"), "x.jsonl:1: not a saved run", id="other"),
            pytest.param(lambda folder: written(folder / "x.jsonl", ""), "x.jsonl:1: not a saved run", id="empty"),
            pytest.param(
                lambda folder: written(folder / "report.json", "{}"),
                "report.json' is no file of transcripts; name the folder that --report named",
                id="report",
            ),
        ],
    )
    def test_what_is_no_run_is_one_line_and_exit_4(
        self, spoil: Callable[[Path], Path], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "empty").mkdir()
        a = store(tmp_path / "a", run_of("old"))
        code, out, error = said(capsys, a, spoil(tmp_path / "empty"), "--minimum", 5)
        assert code == 4
        assert why in error
        assert error.count("\n") == 1
        assert not out

    def test_a_folder_of_several_artifacts_asks_which(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = store(tmp_path, run_of("one"), run_of("two"))
        code, _, error = said(capsys, folder, folder, "--minimum", 5)
        assert code == 4
        assert "RUN_A holds the runs of several artifacts: one, two; name one file, such as " in error

    def test_the_baseline_of_a_report_folder_is_not_its_run(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = store(tmp_path / "a", run_of("parent", role="baseline"), run_of("int8", READ[:20]))
        (folder / "report.json").write_text(json.dumps({"artifacts": [{"artifact": {"id": "int8"}}]}))
        code, out, _ = said(capsys, folder, store(tmp_path / "b", run_of("new")), "--minimum", 5)
        assert code == 0
        assert out.startswith("A  int8: ")

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            pytest.param([], "required: --minimum", id="no-minimum"),
            pytest.param(["--minimum", "-1"], "--minimum=-1, but should be points between 0 and 100", id="below-zero"),
            pytest.param(["--minimum", "nan"], "--minimum=nan", id="nan"),
            pytest.param(["--minimum", "5", "--metric", "luck"], "invalid choice: 'luck'", id="unknown-metric"),
            pytest.param(["--minimum", "5", "--alpha", "60"], "--alpha=60", id="alpha"),
        ],
    )
    def test_wrong_options(
        self, options: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folders = self.folders(tmp_path, run_of("old"), run_of("new"))
        code, _, error = said(capsys, *folders, *options)
        assert code == 4
        assert why in error

    def test_a_metric_that_no_case_concerns(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        calls = CASES[:170]
        folders = self.folders(tmp_path, run_of("old", cases=calls), run_of("new", cases=calls))
        code, _, error = said(capsys, *folders, "--minimum", 5, "--metric", "abstention")
        assert code == 4
        assert "--metric=abstention, but no case of these runs concerns it" in error
