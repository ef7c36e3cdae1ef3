import math
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any

import pytest

from reranker.lockstep import Job
from reranker.prompt import Prompt
from reranker.strategies import Window, full, partition
from serve.errors import Refusal, ServiceError
from serve.queue import WindowQueue
from serve.work import Work

NOW = time.monotonic()


def prompt(window: Window) -> Prompt:
    """A prompt of three tokens a candidate."""
    return Prompt((), tuple((0, 1, 2) for _ in window), (), tuple("x" * len(window)), window)


class Reader:
    """Reads passes, and remembers each: its engine and its windows' sizes."""

    def __init__(self) -> None:
        self.passes: list[tuple[str, list[int]]] = []

    def __call__(self, engine: Any, prompts: Sequence[Prompt]) -> list[list[float]]:
        self.passes.append((engine.name, [len(p.identifiers) for p in prompts]))
        return [[float(place) for place in p.identifier_ids] for p in prompts]


class Name(SimpleNamespace):
    __hash__ = object.__hash__


def engine(name: str = "default", batch_tokens: int = 30) -> Any:
    return Name(name=name, batch_tokens=batch_tokens)


ENGINE = engine()


def work(size: int, *, of: Any = ENGINE, late: float = 0.0, deadline: float = math.inf) -> Work:
    """A request of one window."""
    job = Job(full(size), prompt, priority=NOW + late)
    return Work(job=job, engine=of, windows=1, tokens=3 * size, deadline=deadline)


def test_the_oldest_always_goes_and_whatever_fits_goes_with_it() -> None:
    reader = Reader()
    queue = WindowQueue(reader)
    large = work(20)
    queue.put(large)
    for size in (4, 8, 5):
        queue.put(work(size, late=1))
    assert queue.step()
    assert queue.step()
    assert queue.step()
    # 60 tokens pass alone though 30 fit; then 4 and 5 in one pass, since 8 fits with neither.
    assert reader.passes == [("default", [20]), ("default", [4, 5]), ("default", [8])]
    assert large.done.result() is None
    assert not queue.step()


def test_a_large_one_is_never_overtaken_for_ever() -> None:
    reader = Reader()
    queue = WindowQueue(reader)
    queue.put(work(1))
    large = Work(job=Job(partition(200), prompt, priority=NOW), engine=ENGINE, windows=11, tokens=1)
    queue.put(large)
    for turn in range(40):
        queue.put(work(9, late=1 + turn))
        queue.step()
        if large.done.done():
            break
    # One window a pass at least: none of the younger ones keeps it from going on.
    assert turn < 14


def test_depth_counts_what_is_still_to_be_read() -> None:
    queue = WindowQueue(Reader())
    works = [work(size) for size in (4, 6, 20)]
    for one in works:
        queue.put(one)
    assert queue.depth() == (3, 90)
    queue.step()
    assert queue.depth() == (1, 60)
    works[2].done.cancel()
    assert queue.depth() == (0, 0)


def test_depth_falls_with_every_window_of_a_request() -> None:
    queue = WindowQueue(Reader())
    queue.put(Work(job=Job(partition(50, window=20), prompt), engine=ENGINE, windows=3, tokens=156))
    depths = []
    while queue.step():
        depths.append(queue.depth())
    # 20, then (pivot and 19, pivot and 11), then the best 20 once more, which was not foreseen.
    assert depths == [(2, 96), (1, 36), (0, 0), (0, 0)]


def test_what_is_too_late_or_given_up_is_never_read() -> None:
    reader = Reader()
    queue = WindowQueue(reader)
    late, gone, good = work(2, deadline=NOW - 1), work(3), work(4)
    for one in (late, gone, good):
        queue.put(one)
    gone.done.cancel()
    queue.step()
    assert reader.passes == [("default", [4])]
    refused = late.done.exception()
    assert isinstance(refused, ServiceError)
    assert refused.refusal is Refusal.DEADLINE
    with pytest.raises(CancelledError):
        gone.done.result()


def test_deadlines_are_kept_between_windows() -> None:
    reader = Reader()
    queue = WindowQueue(reader)
    waits = work(20, late=1, deadline=time.monotonic() + 0.05)
    queue.put(work(20))
    queue.put(waits)
    queue.step()
    time.sleep(0.06)
    queue.step()
    assert reader.passes == [("default", [20])]
    assert isinstance(waits.done.exception(), ServiceError)
    assert not queue.step()


def test_engines_share_no_pass_and_the_most_urgent_goes_next() -> None:
    reader = Reader()
    queue = WindowQueue(reader)
    first, second = engine("first"), engine("second")
    queue.put(work(2, of=first, late=3))
    queue.put(work(3, of=second, late=2))
    queue.put(work(4, of=first, late=1))
    while queue.step():
        pass
    assert reader.passes == [("first", [4, 2]), ("second", [3])]


def test_a_lowered_budget_is_kept_to() -> None:
    reader = Reader()
    queue = WindowQueue(reader)
    shrinking = engine("shrinking", 9)
    for _ in range(6):
        queue.put(work(1, of=shrinking))
    queue.step()
    shrinking.batch_tokens = 3
    queue.step()
    assert reader.passes == [("shrinking", [1, 1, 1]), ("shrinking", [1])]


def test_an_error_that_no_job_can_be_blamed_for_ends_its_lane_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = WindowQueue(Reader())
    sick, well = engine("sick"), engine("well")
    works = [work(2, of=sick), work(3, of=sick), work(2, of=well, late=1)]
    for one in works:
        queue.put(one)
    monkeypatch.setattr("reranker.lockstep.Lockstep._choose", lambda self: 1 / 0)
    assert queue.step()
    monkeypatch.undo()
    while queue.step():
        pass
    assert [type(one.done.exception()) for one in works] == [
        ZeroDivisionError,
        ZeroDivisionError,
        type(None),
    ]


def test_a_closed_queue_refuses_all() -> None:
    queue = WindowQueue(Reader())
    before, after, gone = work(2), work(3), work(4)
    queue.put(before)
    queue.put(gone)
    gone.done.cancel()
    closed = RuntimeError("closed")
    queue.close(closed)
    queue.put(after)
    assert before.done.exception() is closed
    assert after.done.exception() is closed
    assert not queue.step()
    assert queue.depth() == (0, 0)
