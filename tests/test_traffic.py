"""Requests as they come: when each arrives, who may send the next, and what queueing theory says of the wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, open_backend
from phi4bench.errors import BackendError
from phi4bench.prompts import Prompt, Segment
from phi4bench.timing import serve_load
from phi4bench.traffic import MOST_WAIT_S, Served, Traffic, poisson
from phi4bench.transcripts import Completion

MakeFake = Callable[..., Path]


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_a_client_sends_its_next_request_when_it_has_its_answer() -> None:
    clock = Clock()
    traffic = Traffic(4, clock, seconds=60, clients=2)
    assert (traffic.take(), traffic.take(), traffic.take()) == (0, 1, None)
    clock.now += 3
    traffic.done(1)
    clock.now += 2  # nobody asks for two seconds: the request has been waiting since then
    assert (traffic.take(), traffic.take()) == (2, None)
    traffic.done(2)
    assert traffic.served == [Served(1, 0.0, 3.0), Served(2, 3.0, 5.0)]


def test_requests_of_their_own_come_at_their_times_whatever_is_answered() -> None:
    clock = Clock()
    traffic = Traffic(3, clock, seconds=60, arrivals_s=[1.0, 1.5, 4.0])
    assert traffic.take() is None
    clock.now += 2
    assert (traffic.take(), traffic.take(), traffic.take()) == (0, 1, None)
    clock.now += 1
    traffic.done(0)
    assert traffic.served == [Served(0, 1.0, 3.0)]
    assert traffic.idle_until_s() == 4.0


def test_nobody_waits_for_a_backend_that_is_still_reading_what_it_will_be_sent() -> None:
    clock = Clock()
    traffic = Traffic(2, clock, seconds=5, arrivals_s=[1.0, 9.0])
    clock.now += 30  # prompts are tokenized, caches made
    assert (traffic.take(), traffic.idle_until_s()) == (None, 1.0)
    clock.now += 2
    assert traffic.take() == 0
    traffic.done(0)
    assert traffic.served == [Served(0, 1.0, 2.0)]


def test_what_came_and_was_never_answered_is_counted() -> None:
    clock = Clock()
    traffic = Traffic(6, clock, seconds=5, arrivals_s=[1.0, 2.0, 3.0, 4.0, 5.5, 9.0])
    assert traffic.take() is None
    clock.now += 3.5
    assert (traffic.take(), traffic.take()) == (0, 1)
    clock.now += 2
    assert traffic.take() is None
    assert traffic.left_waiting == 3  # of 3, 4 and 5.5 s; that of 9 s had not come
    assert Traffic(3, clock, seconds=5, clients=2).left_waiting == 0


def test_a_clock_that_goes_back_a_little_ends_the_run() -> None:
    """Not before the beginning, but behind what it said last: an answer would be older than its request."""
    clock = Clock()
    traffic = Traffic(4, clock, seconds=60, clients=1)
    clock.now += 10
    traffic.take()
    clock.now -= 3
    with pytest.raises(BackendError, match="the clock moved by -3 s"):
        traffic.done(0)


def test_no_request_is_handed_out_once_the_time_is_over() -> None:
    clock = Clock()
    traffic = Traffic(9, clock, seconds=5, clients=1)
    traffic.take()
    clock.now += 6
    traffic.done(0)
    assert traffic.take() is None
    assert not traffic.left
    assert traffic.stopped_s == 6.0
    clock.now += 3
    assert not traffic.left
    assert (traffic.stopped_s, traffic.left_waiting) == (6.0, 0)


def test_what_a_lane_dropped_is_handed_out_again_even_once_the_time_is_over() -> None:
    clock = Clock()
    traffic = Traffic(4, clock, seconds=5, clients=2)
    assert (traffic.take(), traffic.take()) == (0, 1)
    clock.now += 2
    traffic.done(0)
    traffic.hold()
    assert (traffic.take(), traffic.left) == (None, False)
    clock.now += 9
    traffic.put_back()
    assert traffic.left
    assert (traffic.take(), traffic.left, traffic.take()) == (1, False, None)
    clock.now += 1
    traffic.done(1)
    assert traffic.served[-1] == Served(1, 0.0, 12.0)  # it has waited since its client sent it


def test_a_lane_without_work_sleeps_until_a_request_may_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = list[float]()
    monkeypatch.setattr(threading.Condition, "wait", lambda _, timeout: waited.append(timeout))
    clock = Clock()
    traffic = Traffic(3, clock, seconds=5, arrivals_s=[1.0, 3.0, 9.0])
    for later, sleeps in ((0.0, [MOST_WAIT_S]), (0.99, [pytest.approx(0.01)]), (0.01, []), (9.0, [])):
        clock.now += later  # there at 1.0, over at 5.0
        traffic.wait()
        assert waited == sleeps
        waited.clear()
    busy = Traffic(3, Clock(), seconds=5, clients=1)
    busy.take()
    busy.wait()
    assert waited == [MOST_WAIT_S]  # its client may be free at any time
    last = Traffic(1, Clock(), seconds=5, arrivals_s=[0.0])
    last.take()
    last.wait()
    assert waited == [MOST_WAIT_S]  # nothing more will come


def test_the_last_request_ends_the_traffic() -> None:
    traffic = Traffic(1, Clock(), seconds=5, clients=3)
    assert traffic.take() == 0
    assert not traffic.left
    assert traffic.take() is None


def test_a_clock_that_goes_backwards_is_refused() -> None:
    clock = Clock()
    traffic = Traffic(2, clock, seconds=5)
    assert traffic.left
    clock.now -= 1
    with pytest.raises(BackendError, match="should only go forward"):
        traffic.take()


def test_many_threads_never_have_more_under_way_than_there_are_clients() -> None:
    traffic = Traffic(400, Clock(), seconds=60, clients=3)
    lock, under_way, most, seen = threading.Lock(), [0], [0], list[int]()

    def serve() -> None:
        while traffic.left:
            index = traffic.take()
            if index is None:
                traffic.wait()
                continue
            with lock:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
                seen.append(index)
            with lock:
                under_way[0] -= 1
            traffic.done(index)

    threads = [threading.Thread(target=serve) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(seen) == list(range(400))
    assert most[0] <= 3


def test_poisson_arrivals_have_their_rate_and_the_spread_of_an_exponential() -> None:
    times = poisson(20.0, 20_000, seed=1)
    gaps = [after - before for before, after in zip([0.0, *times], times, strict=False)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(1 / 20, rel=0.03)  # four standard errors: 4 / sqrt(20,000) = 2.8%
    spread = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert spread == pytest.approx(mean**2, rel=0.1)
    assert poisson(20.0, 5, seed=1) == times[:5]


def test_what_waits_is_part_of_the_latency_as_queueing_theory_has_it(make_fake: MakeFake) -> None:
    """One server, equal service times: Pollaczek and Khinchine's mean wait is rho s / (2 (1 - rho))."""
    folder = make_fake("silent")
    (folder / "pace.json").write_text('{"first_token_ms": 100, "token_ms": 1}')  # an empty answer is one token: 0.1 s
    backend = open_backend(open_artifact(str(folder)))
    count, rho = 20_000, 0.6
    traffic = Traffic(count, backend.clock, seconds=1e9, arrivals_s=poisson(rho / 0.1, count, seed=3))  # type: ignore[attr-defined]
    prompts = [Prompt((Segment("x"),))] * count
    served = [one for one, _ in serve_load(backend, prompts, Decoding(), traffic)]  # type: ignore[arg-type]
    wait = sum(one.finished_s - one.arrived_s - 0.1 for one in served) / count
    assert wait == pytest.approx(rho * 0.1 / (2 * (1 - rho)), rel=0.1)  # 0.075 s


def test_an_answer_stays_with_its_request_when_lanes_hand_over_in_another_order() -> None:
    """A lane may have told the traffic of its answer, and hand it over after another lane's later one."""
    traffic = Traffic(3, Clock(), seconds=60, clients=3)

    class Lanes:
        def serve(
            self, prompts: Sequence[Prompt], decoding: Decoding, traffic: Traffic
        ) -> Iterator[tuple[int, Completion]]:
            for index in (traffic.take(), traffic.take(), traffic.take()):
                assert index is not None
                traffic.done(index)
            yield from ((index, Completion(str(index))) for index in (1, 2, 0))

    told = [(one.index, made.text) for one, made in serve_load(Lanes(), [], Decoding(), traffic)]
    assert told == [(0, "0"), (1, "1"), (2, "2")]


@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_served_is_what_is_generated(batch: int) -> None:
    """On a real file: the same tokens, whether requests are all there at once or come one by one."""
    pytest.importorskip("onnxruntime")
    folder = Path(__file__).parent.parent / "fixtures" / "models" / "nano-int8"
    artifact = open_artifact(str(folder))
    from phi4bench.cases import Question
    from phi4bench.datasets import load_cases

    cases = load_cases(None).cases[:6]
    questions: list[Question] = [case.question() for case in cases]
    prompts = [artifact.dialect.render(question) for question in questions]
    backend = open_backend(artifact, threads=1, batch=batch, spin="no")
    try:
        plain = {index: made.token_ids for index, made in backend.generate(prompts, Decoding(40))}
        traffic = Traffic(len(prompts), __import__("time").perf_counter, seconds=60, clients=2)
        served = {one.index: made.token_ids for one, made in serve_load(backend, prompts, Decoding(40), traffic)}  # type: ignore[arg-type]
    finally:
        backend.close()
    assert served == plain
    assert [one.finished_s >= one.arrived_s for one in traffic.served] == [True] * 6
