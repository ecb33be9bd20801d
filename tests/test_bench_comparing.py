"""When a benchmark counts as moved: on simulated machines that are slow for a while, and shared."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.changes import table
from benchmarks.comparing import BLOCKS, FACTOR, Blocks, Outcome, Sample, _spread, compare
from benchmarks.recording import BRIEF_PROCESSES, FIRST_PROCESSES, SURE_PROCESSES
from benchmarks.rounds import blocks

ROUNDS = 12 * BLOCKS
WORK_S, PIECE_S, NEIGHBOUR_S = 0.004, 0.003, 0.1
MOVED = (Outcome.SLOWER, Outcome.FASTER)


def process(rng: np.random.Generator, state: float, slowdown: float) -> Blocks:
    """On a machine that others use too.

    A neighbour on the core comes and goes every tenth of a second or so. Meanwhile the work takes half as long again,
    and the reference work 1.8 times as long. Every third round or piece is preempted, for 2 ms on average.
    """
    beside = np.cumsum(rng.random(2 * ROUNDS + 1) < PIECE_S / NEIGHBOUR_S) % 2

    def measured(seconds: float, slower: np.ndarray) -> list[float]:
        preempted = rng.random(len(slower)) < 1 / 3
        clean = seconds * state * slower * np.exp(np.abs(rng.normal(0, 0.01, len(slower))))
        return list(clean + preempted * rng.exponential(0.002, len(slower)))

    return blocks(measured(WORK_S * slowdown, 1 + 0.5 * beside[1::2]), measured(PIECE_S, 1 + 0.8 * beside[::2]))


def simulated(seed: int, processes: int, slowdown: float = 1.0) -> Blocks:
    """A run on a machine that is up to 40% slower at times, and in each process by up to 5% more."""
    rng = np.random.default_rng(seed)
    state = np.exp(rng.uniform(0, 0.35))
    first, *others = (process(rng, state * rng.uniform(1.0, 1.05), slowdown) for _ in range(processes))
    return sum(others, first)


def sample(wall: Blocks, cpu: Blocks | None = None, others: float = 0.0, cores: int = 1) -> Sample:
    return Sample("b", "", "interpreter/1", cores, (("cases", 80),), wall, cpu or wall, others, 1 - others)


def flat(work_s: float, piece_s: float = 1.0) -> Blocks:
    """Blocks that differ by less than 1%."""
    return Blocks(tuple(work_s * (1 + i / 1000) for i in range(BLOCKS)), (piece_s,) * BLOCKS)


def test_twenty_pairs_of_the_same_code_raise_no_alarm():
    pairs = [
        (sample(simulated(2 * i, FIRST_PROCESSES)), sample(simulated(2 * i + 1, BRIEF_PROCESSES))) for i in range(20)
    ]
    assert [compare(now, [before], 20).outcome for before, now in pairs] == [Outcome.SAME] * 20


@pytest.mark.parametrize(("factor", "outcome"), [(1.15, Outcome.SLOWER), (1 / 1.15, Outcome.FASTER)])
def test_a_change_of_15_percent_is_always_seen(factor, outcome):
    pairs = [
        (sample(simulated(2 * i, FIRST_PROCESSES)), sample(simulated(2 * i + 1, SURE_PROCESSES, factor)))
        for i in range(20)
    ]
    assert [compare(now, [before], 20).outcome for before, now in pairs] == [outcome] * 20


def test_it_is_the_reference_work_that_keeps_the_peace():
    """The same pairs as above, in plain seconds."""
    bare = [replace(run := simulated(i, 5 - 2 * (i % 2)), reference_s=(1.0,) * len(run.work_s)) for i in range(40)]
    alarms = sum(compare(sample(bare[2 * i + 1]), [sample(bare[2 * i])], 20).outcome in MOVED for i in range(20))
    assert alarms >= 10


def test_a_machine_that_is_slower_as_a_whole_moves_nothing():
    change = compare(sample(flat(2.0, 3.0)), [sample(flat(1.0, 1.5))])
    assert (change.outcome, change.ratio, change.machine) == (Outcome.SAME, pytest.approx(1.0), 2.0)
    assert change.before_s == pytest.approx(1.0045)
    assert change.now_s == pytest.approx(2.009)


@pytest.mark.parametrize(
    ("ratio", "outcome"),
    [
        pytest.param(FACTOR * 0.995, Outcome.SAME, id="below-the-factor"),
        pytest.param(FACTOR * 1.005, Outcome.SLOWER, id="above-it"),
        pytest.param(1 / FACTOR * 0.995, Outcome.FASTER, id="faster"),
    ],
)
def test_a_sure_difference_must_also_be_large_enough(ratio, outcome):
    change = compare(sample(flat(ratio)), [sample(flat(1.0))])
    assert (change.outcome, change.ratio) == (outcome, pytest.approx(ratio))


def test_a_large_difference_must_also_be_sure():
    """Ten blocks of which every other is slow, beside ten that are all between: ranks tell nothing."""
    scattered = Blocks((1.0, 1.5) * (BLOCKS // 2), (1.0,) * BLOCKS)
    change = compare(sample(scattered), [sample(flat(1.1))])
    assert change.outcome is Outcome.UNCLEAR
    assert "scatter" in change.reason


def test_what_the_last_runs_do_by_themselves_is_no_news():
    """Medians of 1.0, 1.1, 1.2: a MAD of log(1.1), and of three values 2.205 times that is a standard deviation."""
    past = [sample(flat(1.1**i)) for i in range(3)]
    change = compare(sample(flat(1.1 * 1.3)), past)
    assert change.outcome is Outcome.SAME
    assert change.needed == pytest.approx(math.exp(3 * 2.205 * math.log(1.1)))
    assert f"{change.needed:.2f} would be news" in change.reason


@pytest.mark.parametrize("runs", [3, 4, 5])
def test_the_spread_of_few_runs_is_on_average_what_it_is(runs):
    """1.4826 times the MAD, which is right for many, is 0.67, 0.73 and 0.82 of it for so few."""
    rng = np.random.default_rng(1)
    found = [_spread(medians) for medians in rng.standard_normal((20_000, runs)).tolist()]
    assert np.mean(found) == pytest.approx(1.0, abs=0.02)  # a standard error is 0.005


def test_one_odd_run_in_five_hides_nothing():
    past = [sample(flat(one)) for one in (1.0, 1.01, 1.6, 0.99, 1.0)]
    assert compare(sample(flat(1.15)), past).outcome is Outcome.SLOWER


def test_only_the_last_five_runs_count():
    past = [sample(flat(2.0))] * 9 + [sample(flat(1.0))] * 5
    change = compare(sample(flat(1.0)), past)
    assert (change.outcome, change.runs) == (Outcome.SAME, 5)


def test_a_slowdown_is_news_until_most_of_the_last_runs_have_it():
    runs = [sample(flat(1.0))] * 5
    outcomes = []
    for _ in range(5):
        slow = sample(flat(1.2))
        outcomes.append(compare(slow, runs).outcome)
        runs.append(slow)
    assert outcomes == [Outcome.SLOWER] * 3 + [Outcome.SAME] * 2


def test_on_a_busy_machine_cpu_time_is_compared():
    waited = sample(flat(3.0), cpu=flat(1.0), others=0.6)
    change = compare(waited, [sample(flat(1.0))])
    assert (change.outcome, change.now_s) == (Outcome.SAME, pytest.approx(1.0045))
    assert "other work took 60% of the cores now" in change.reason
    for cpu, outcome in ((1.10, Outcome.SAME), (1.15, Outcome.SLOWER)):
        slower = sample(flat(3.0), cpu=flat(cpu), others=0.6)
        assert compare(slower, [sample(flat(1.0))]).outcome is outcome


def test_a_quiet_run_is_compared_with_the_quiet_ones():
    past = [sample(flat(1.0)), sample(flat(3.0), cpu=flat(1.0), others=0.6)]
    change = compare(sample(flat(1.2)), past)
    assert (change.outcome, change.runs) == (Outcome.SLOWER, 1)


def test_work_on_several_cores_is_not_judged_beside_other_work():
    change = compare(sample(flat(3.0), others=0.6, cores=2), [sample(flat(1.0), cores=2)])
    assert (change.outcome, change.ratio) == (Outcome.UNCLEAR, None)
    assert "other work took 60% of the cores now" in change.reason


def test_other_work_that_leaves_cores_idle_disturbs_nobody():
    assert not replace(sample(flat(1.0)), others=0.3, idle=0.6).busy
    assert replace(sample(flat(1.0)), others=0.3, idle=0.2).busy


@pytest.mark.parametrize(
    "other",
    [{"name": "c"}, {"artifact": "another"}, {"reference": "interpreter/2"}],
    ids=["benchmark", "artifact", "reference-work"],
)
def test_what_is_another_subject_is_not_compared(other):
    change = compare(sample(flat(9.0)), [replace(sample(flat(1.0)), **other)])
    assert (change.outcome, change.ratio) == (Outcome.NEW, None)


def test_other_work_is_new_and_says_so():
    change = compare(replace(sample(flat(9.0)), work=(("cases", 90),)), [sample(flat(1.0))])
    assert (change.outcome, change.reason) == (Outcome.NEW, "other work than the last time: 90 cases, not 80 cases")


@pytest.mark.parametrize("others", [0.0, 0.6], ids=["quiet", "busy"])
def test_many_comparisons_ask_for_more_certainty(others):
    """Nine of ten blocks above all of the others', one below: U = 90 of 100, one-sided p = 0.0007 (exact)."""
    now = Blocks((0.5, *[1.2 + i / 1000 for i in range(9)]), (1.0,) * BLOCKS)
    before = [sample(flat(1.0))]
    assert compare(sample(now, cpu=now, others=others), before, 1).outcome is Outcome.SLOWER
    assert compare(sample(now, cpu=now, others=others), before, 20).outcome is Outcome.UNCLEAR


def test_its_table_fits_80_columns_and_keeps_names_and_reasons_whole():
    name = "concurrency/cases_at_once[nano-int8-all-threads-on-one-case]"
    moved = compare(replace(sample(flat(0.9)), name=name), [replace(sample(flat(0.004)), name=name)])
    assert moved.outcome is Outcome.SLOWER
    why = "its rounds scatter too much to tell (p = 0.012); the last runs differ as much: 1.31 would be news"
    lines = [line for line, _ in table([replace(moved, reason=why), compare(sample(flat(0.004)), [])])]
    assert max(map(len, lines)) < 80
    assert name in lines
    assert why in " ".join(" ".join(lines).split())
    assert sum(line.endswith(" new") for line in lines) == 1, "and no word on what new says already"
