from collections.abc import Sequence

import pytest

from reranker.lockstep import Job, Lockstep, run
from reranker.prompt import Prompt
from reranker.strategies import Window, full, partition, sliding


def prompt(window: Window, poison: int | None = None) -> Prompt:
    """A prompt of three tokens a candidate; candidate `poison` is marked by token 666."""
    blocks = tuple((place, 666 if place == poison else 1, 2) for place in window)
    names = tuple(map(str, window))
    return Prompt((), blocks, (), names, tuple(window))


class Recorder:
    """A scorer that prefers later candidates and remembers its passes."""

    def __init__(self) -> None:
        self.passes: list[list[int]] = []

    def __call__(self, prompts: Sequence[Prompt]) -> list[list[float]]:
        self.passes.append([len(p) for p in prompts])
        if any(666 in p.token_ids for p in prompts):
            raise RuntimeError("poison")
        return [[float(token) for token in p.identifier_ids] for p in prompts]


def test_windows_of_many_queries_share_passes() -> None:
    score = Recorder()
    jobs = [Job(sliding(8, window=4, stride=2), prompt) for _ in range(5)]
    done = list(run(jobs, Lockstep(score, batch_tokens=60)))
    assert len(done) == 5
    assert all(job.order is not None and job.order[:2] == [7, 6] for job in jobs)
    assert score.passes == [[12] * 5] * 3


def test_a_pass_keeps_to_its_budget_unless_one_window_is_larger() -> None:
    score = Recorder()
    jobs = [Job(full(n), prompt) for n in (2, 9, 3, 1)]
    list(run(jobs, Lockstep(score, batch_tokens=15)))
    assert all(sum(lengths) <= 15 or len(lengths) == 1 for lengths in score.passes)
    assert sorted(n for p in score.passes for n in p) == [3, 6, 9, 27]


def test_the_answers_do_not_depend_on_the_company() -> None:
    alone = [Job(partition(n), prompt) for n in SIZES]
    for job in alone:
        assert list(run([job], Lockstep(Recorder(), 1000))) == [job]
    jobs = [Job(partition(n), prompt) for n in SIZES]
    list(run(jobs, Lockstep(Recorder(), 70)))
    assert [job.order for job in jobs] == [job.order for job in alone]
    assert [[w.candidates for w in job.windows] for job in jobs] == [
        [w.candidates for w in job.windows] for job in alone
    ]


SIZES = (0, 1, 5, 20, 33, 100)


def test_a_poisoned_job_fails_alone() -> None:
    good = [Job(full(3), prompt) for _ in range(3)]
    bad = Job(full(3), lambda window: prompt(window, poison=1))
    done = list(run([good[0], bad, *good[1:]], Lockstep(Recorder(), 1000)))
    assert len(done) == 4
    assert isinstance(bad.error, RuntimeError)
    assert all(job.order == [2, 1, 0] for job in good)


def test_a_prompt_that_cannot_be_made_fails_its_job() -> None:
    def refuse(window: Window) -> Prompt:
        raise ValueError("too large")

    bad, good = Job(full(2), refuse), Job(full(2), prompt)
    list(run([bad, good], Lockstep(Recorder(), 1000)))
    assert str(bad.error) == "too large"
    assert good.order == [1, 0]


def test_priority_goes_first() -> None:
    score = Recorder()
    lockstep = Lockstep(score, batch_tokens=6)
    bulk, urgent = Job(full(2), prompt, priority=1), Job(full(2), prompt)
    lockstep.add(bulk)
    lockstep.add(urgent)
    assert lockstep.step() == [urgent]
    assert lockstep.step() == [bulk]
    assert lockstep.active == 0


def test_arrivals_as_priorities_make_a_queue_that_nothing_is_overtaken_in_for_ever() -> None:
    score = Recorder()
    lockstep = Lockstep(score, batch_tokens=6)
    # Bulk counts as if it had come 10 seconds later.
    for size, arrived in ((3, 0.0 + 10), (2, 5.0), (1, 9.5), (4, 10.5)):
        lockstep.add(Job(full(size), prompt, priority=arrived))
    while lockstep.active:
        lockstep.step()
    assert score.passes == [[6], [3], [9], [12]]


def test_a_job_counts_what_was_read() -> None:
    lockstep = Lockstep(Recorder(), batch_tokens=100)
    job = lockstep.add(Job(sliding(8, window=4, stride=2), prompt))
    counts = []
    while not job.done:
        lockstep.step()
        counts.append((job.windows_read, job.tokens_read))
    assert counts == [(1, 12), (2, 24), (3, 36)]


def test_a_cancelled_job_never_reaches_a_pass() -> None:
    score = Recorder()
    lockstep = Lockstep(score, batch_tokens=100)
    job = lockstep.add(Job(full(2), prompt))
    lockstep.cancel(job, TimeoutError("late"))
    assert lockstep.step() == [job]
    assert isinstance(job.error, TimeoutError)
    assert score.passes == []


def test_no_more_jobs_are_taken_in_than_fill_the_passes() -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield Job(full(2), prompt)

    stream = run(endless(), Lockstep(Recorder(), batch_tokens=60))  # type: ignore[arg-type]
    for _ in range(25):
        next(stream)
    assert taken <= 40


def test_the_time_of_a_pass_is_shared_by_tokens() -> None:
    jobs = [Job(full(2), prompt), Job(full(6), prompt)]
    list(run(jobs, Lockstep(Recorder(), 1000)))
    short, long = (job.windows[0].milliseconds for job in jobs)
    assert long == pytest.approx(3 * short)
