"""Early rejection: which gates are watched, in which order families count, and how often it is wrong."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from kit import case_line
from stored import run_of

from phi4bench.cases import Case
from phi4bench.datasets import case_from_json
from phi4bench.datasets.shipped import fixtures_dir
from phi4bench.datasets.toolsets import read_toolset
from phi4bench.levels import Level, Score
from phi4bench.rejection import Refuted, Rejection, Stop, Watch, alphas, family_order, watched_gates
from phi4bench.run.judging import SUITE_GATES, assess
from phi4bench.targets import merge_targets, parse_targets
from phi4bench.xfails import parse_xfails, to_stored

SIX = read_toolset(fixtures_dir() / "tools" / "claude_code.json")
GUIDE = merge_targets([parse_targets((fixtures_dir() / "targets" / "guide.toml").read_text(), "guide")])
CASES = tuple(case_from_json(case_line(number), lambda _: SIX) for number in range(320))
PAIRS_OF_CASES = tuple(replace(case, group=f"pair-{number // 2}") for number, case in enumerate(CASES))
OWN = ("detection", "parsing", "tool", "parameter", "abstention")
PAIRED = tuple(f"regression.{name}" for name in OWN)
RATES = dict(zip(OWN, (0.97, 0.95, 0.95, 0.90, 0.90), strict=True))
MARGINS = dict.fromkeys(PAIRED, 0.02)


def scored(case: Case, level: Level = Level.RIGHT_PARAMETERS, abstained: bool = True) -> Score:
    if not case.expects_call:
        return Score(case.id, case.scenario, case.group, (), False, Level.NOTHING, abstained=abstained)
    return Score(case.id, case.scenario, case.group, ("read",), True, level)


def watch(cases: Sequence[Case] = CASES, gates: Sequence[str] = OWN, seed: int = 0, precision: str = "") -> Watch:
    return Watch(cases, GUIDE, precision, gates, seed)


def in_order(cases: Sequence[Case], seed: int = 0, gates: Sequence[str] = OWN) -> list[Case]:
    places = {group: place for place, group in enumerate(family_order(cases, gates, seed))}
    return sorted(cases, key=lambda case: places[case.group])


def rejected(one: Watch, scores: Sequence[Score]) -> Rejection | None:
    for score in scores:
        one.add(score)
    return one.rejection


class TestWatchedGates:
    def test_they_are_the_required_ones_that_tests_judge(self) -> None:
        assert watched_gates(CASES, GUIDE, "fp32", SUITE_GATES, paired=True) == OWN
        assert watched_gates(CASES, GUIDE, "int8", SUITE_GATES, paired=True) == (*OWN, *PAIRED)
        assert watched_gates(CASES, GUIDE, "int8", SUITE_GATES, paired=False) == OWN
        assert watched_gates(CASES, GUIDE, "int8", ["tool", "regression.tool"], paired=True) == (
            "tool",
            "regression.tool",
        )

    def test_a_gate_that_too_few_families_concern_is_not(self) -> None:
        """39 families expect a call: such a gate is INCONCLUSIVE at the full set, and never decided earlier."""
        few = [*CASES[:39], *CASES[170:]]
        assert watched_gates(few, GUIDE, "", SUITE_GATES, paired=False) == ("abstention",)

    def test_nor_is_one_whose_cases_a_few_families_hold(self) -> None:
        """41 families expect a call, one of them in 130 of 170 cases: they count as 1.7 of one size."""
        calls = [replace(case, group=f"family-{min(number, 40)}") for number, case in enumerate(CASES[:170])]
        assert watched_gates([*calls, *CASES[170:]], GUIDE, "", SUITE_GATES, paired=False) == ("abstention",)

    def test_what_is_no_rate_over_known_cases_is_not(self) -> None:
        report = merge_targets([parse_targets((fixtures_dir() / "targets" / "report.toml").read_text(), "report")])
        required = {target.name for target in report.required("fp32")}
        assert {"schema_validity", "slo.latency_p95_ms"} <= required
        assert set(watched_gates(CASES, report, "fp32", SUITE_GATES, paired=False)) == required & {*OWN, "selection"}


class TestOrder:
    def test_the_seed_alone_decides_it(self) -> None:
        groups = {case.group for case in CASES}
        assert family_order(CASES, OWN, 3) == family_order(CASES[::-1], OWN[::-1], 3)
        assert family_order(CASES, OWN, 3) != family_order(CASES, OWN, 4)
        assert sorted(family_order(CASES, OWN, 3)) == sorted(groups)
        assert sorted(family_order(CASES, (), 3)) == sorted(groups)

    def test_calls_and_abstention_take_turns(self) -> None:
        calls, others = CASES[:170], CASES[170:190]
        assert all(case.expects_call for case in calls)
        assert not any(case.expects_call for case in others)
        first = in_order([*calls, *others])[:40]
        assert sum(case.expects_call for case in first) == 20
        alone = in_order([*calls, *others], gates=("tool",))
        assert all(case.expects_call for case in alone[:170])  # the others concern no gate: last

    def test_within_a_gates_families_any_may_come_first(self) -> None:
        """Of six families, each is first about as often: chi squared, 5 degrees of freedom, 99.9%: below 20.5."""
        few = [*CASES[:6], *CASES[300:]]
        orders = [in_order(few, seed) for seed in range(600)]
        firsts = Counter(next(case.group for case in order if case.expects_call) for order in orders)
        assert sum((firsts[case.group] - 100) ** 2 / 100 for case in CASES[:6]) < 20.5

    def test_gates_that_share_a_family_share_an_order(self) -> None:
        """One family that expects both links calls and abstention: turns by case would favour its kind for one gate."""
        linked = [replace(case, group="both") if number in (0, 200) else case for number, case in enumerate(CASES)]
        few = [case for number, case in enumerate(linked) if number < 170 or number in (200, 201)]
        places = [
            place for seed in range(200) for place, case in enumerate(in_order(few, seed)) if case.id == CASES[201].id
        ]
        assert 60 < sum(places) / 200 < 112  # the only other family without a call: anywhere among 171

    def test_what_is_finished_first_changes_nothing(self) -> None:
        wrong = [scored(case, Level.PARSED) for case in in_order(PAIRS_OF_CASES)]
        expected = rejected(watch(PAIRS_OF_CASES), wrong)
        assert expected is not None
        until = expected.cases
        for seed in range(3):
            mixed = wrong[:until]
            random.Random(seed).shuffle(mixed)
            assert rejected(watch(PAIRS_OF_CASES), mixed) == expected

    def test_a_family_counts_once_all_its_cases_are_there(self) -> None:
        ordered = in_order(PAIRS_OF_CASES)
        one = watch(PAIRS_OF_CASES)
        for case in ordered[1:]:  # the first family lacks a case, and everything waits for it
            assert one.add(scored(case, Level.NOTHING, abstained=False)) is None
        assert one.settled == 0
        assert one.add(scored(ordered[0], Level.NOTHING)) is not None


class TestAlphas:
    @pytest.mark.parametrize("figures", [RATES, MARGINS, RATES | MARGINS], ids=["rates", "pairs", "both"])
    def test_the_parts_add_up_to_all_of_it(self, figures: dict[str, float]) -> None:
        parts = alphas(0.05, figures)
        assert parts.keys() == figures.keys()
        assert sum(parts.values()) == pytest.approx(0.05)

    def test_a_third_is_divided_evenly_and_the_rest_among_the_artifacts_own_gates(self) -> None:
        parts = alphas(0.05, RATES | MARGINS)
        assert [parts[name] for name in PAIRED] == pytest.approx([0.05 / 3 / 10] * 5)
        assert 0.05 / 3 / 10 < parts["detection"] < parts["tool"] == parts["parsing"] < parts["parameter"]
        assert list(alphas(0.05, MARGINS).values()) == pytest.approx([0.01] * 5)


class TestRejection:
    def test_it_names_the_gates_and_their_bounds(self) -> None:
        found = rejected(watch(), [scored(case, Level.PARSED) for case in in_order(CASES)])
        assert found is not None
        assert [one.gate for one in found.refuted] == ["tool", "parameter"]
        assert found.alphas == alphas(0.05, RATES)
        assert 0.0 < found.upper["tool"] < 0.95 < found.upper["detection"]
        assert found.line.startswith(f"rejected early after {found.cases} of 320 cases: tool's upper bound ")
        assert "% is below 95%" in found.line

    def test_forty_families_are_needed_however_bad_they_are(self) -> None:
        seen = 0
        one = watch(gates=("tool",))
        for case in in_order(CASES, gates=("tool",)):
            seen += case.expects_call
            if one.add(scored(case, Level.NOTHING)):
                break
        assert seen == 40

    def test_what_is_right_is_never_rejected(self) -> None:
        assert rejected(watch(), [scored(case) for case in in_order(CASES)]) is None

    def test_the_last_family_leaves_nothing_to_stop(self) -> None:
        """Wrong in the last family but one, and sure then: rejected; in the last: judged by its interval."""
        forty = in_order(CASES[:40], gates=("tool",))
        assert rejected(watch(forty, ("tool",)), [scored(case, Level.NOTHING) for case in forty]) is None
        more = in_order(CASES[:41], gates=("tool",))
        assert rejected(watch(more, ("tool",)), [scored(case, Level.NOTHING) for case in more]) is not None

    def test_a_known_failure_is_not_looked_at(self) -> None:
        kept = CASES[20:]
        one = watch(kept)
        for case in CASES[:20]:
            one.add(scored(case, Level.NOTHING))
        assert one.settled == 0

    def test_the_bound_is_never_shown_as_the_target(self) -> None:
        assert Refuted("tool", 0.94997, 0.95).line == "tool's upper bound 94.997% is below 95%"
        assert Refuted("regression.tool", -0.031, -0.02).line == "regression.tool's upper bound -3.1 points is below -2"


class TestPairs:
    def test_a_loss_beyond_the_margin_is_refuted_wherever_the_baseline_comes_from(self) -> None:
        """The levels that lose one case in ten, of which the baseline had all right."""
        gates = ("regression.tool", "regression.parameter")
        ordered = in_order(CASES, gates=gates)
        after = [
            scored(case, Level.RIGHT_TOOL if number % 10 < 3 else Level.RIGHT_PARAMETERS)
            for number, case in enumerate(ordered)
        ]
        first, last = watch(gates=gates, precision="int8"), watch(gates=gates, precision="int8")
        for case in ordered:
            first.add(scored(case), baseline=True)
        found = rejected(first, after)
        assert found is not None
        assert [(one.gate, one.edge) for one in found.refuted] == [("regression.parameter", -0.02)]
        assert -1.0 < found.upper["regression.parameter"] < -0.02 < found.upper["regression.tool"]
        for score in after:
            last.add(score)
        for case in ordered:
            last.add(scored(case), baseline=True)
        assert last.rejection == found
        assert first.stop.pairs == last.stop.pairs < 320

    def test_what_both_get_wrong_is_no_loss(self) -> None:
        one = watch(gates=PAIRED, precision="int8")
        for case in CASES:
            one.add(scored(case, Level.NOTHING, abstained=False), baseline=True)
        assert rejected(one, [scored(case, Level.NOTHING, abstained=False) for case in CASES]) is None

    def test_a_candidate_that_is_all_there_is_judged_by_its_intervals(self) -> None:
        one = watch(gates=(*OWN, *PAIRED), precision="int8")
        one.leave_rates()
        assert rejected(one, [scored(case, Level.NOTHING) for case in CASES]) is None

    def test_nor_are_its_rates_bet_on_when_it_is_scored_again(self) -> None:
        wrong = [case.id for case in CASES if case.expects_call]
        one = watch(gates=(*OWN, *PAIRED), precision="int8")
        one.leave_rates()
        for case in CASES:
            one.add(scored(case), baseline=True)
        assert rejected(one, [scored(case, Level.PARSED) for case in CASES]) is not None
        run = run_of("int8", wrong, precision="int8", stopped_early=one.stop.to_json())
        judgement = assess(run, run_of("parent", role="baseline"), GUIDE)
        assert judgement.rejection is not None
        assert [gate.gate for gate in judgement.rejection.refuted] == ["regression.tool", "regression.parameter"]
        assert judgement.gates["tool"].interval is not None


class TestStop:
    def test_it_is_found_again_among_the_families_that_are_not_known_to_fail(self) -> None:
        known = CASES[0].group
        kept = [case for case in CASES if case.group != known]
        one = watch(kept)
        found = rejected(one, [scored(case, Level.PARSED) for case in in_order(kept)])
        assert found is not None
        listed = parse_xfails(f'[[xfail]]\ngroup = "{known}"\nreason = "x"\n', "known.toml")
        xfails = to_stored(listed, [case.group for case in CASES])
        wrong = [case.id for case in CASES if case.expects_call]
        run = run_of("nano", wrong, stopped_early=one.stop.to_json(), xfails=xfails)
        looked_at = {case.id for case in in_order(kept)[: found.cases]}
        pairs = zip(CASES, run.completions, strict=True)
        run = replace(run, completions=tuple(made if case.id in looked_at else None for case, made in pairs))
        assert assess(run, None, GUIDE).rejection == found

    def test_it_survives_the_way_to_the_transcripts(self) -> None:
        stop = Stop(7, ("tool", "regression.tool"), 12)
        assert Stop.from_json(stop.to_json()) == stop

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(None, id="nothing"),
            pytest.param({"seed": "0", "gates": [], "pairs": 0}, id="seed-in-words"),
            pytest.param({"seed": 0, "gates": ["tol"], "pairs": 0}, id="unknown-gate"),
            pytest.param({"seed": 0, "gates": [["tool"]], "pairs": 0}, id="gate-in-a-list"),
            pytest.param({"seed": 0, "gates": ["tool"], "pairs": -1}, id="fewer-than-no-pairs"),
            pytest.param({"seed": 0, "gates": ["tool"]}, id="without-pairs"),
        ],
    )
    def test_anything_else_is_none(self, data: object) -> None:
        assert Stop.from_json(data) is None


def test_artifacts_at_the_edge_of_every_gate_are_rejected_early_at_most_alpha_of_the_time() -> None:
    """60 of them, each true rate exactly its target: at alpha 5% for all five gates at once, at most 9.

    scipy.stats.binom.ppf(0.999, 60, 0.05) is 9. Levels are drawn as guide's targets have them: 3% do not detect, 2%
    more do not parse, 5% more are wrong in an argument.
    """
    draw, false = random.Random(11), 0
    levels = [Level.NOTHING] * 3 + [Level.DETECTED] * 2 + [Level.RIGHT_TOOL] * 5 + [Level.RIGHT_PARAMETERS] * 90
    for seed in range(60):
        one = watch(PAIRS_OF_CASES, seed=seed)
        for case in in_order(PAIRS_OF_CASES, seed):
            if one.add(scored(case, draw.choice(levels), draw.random() < 0.9)):
                false += 1
                break
    assert false <= 9
