"""The lockstep driver: many queries advance together, and their windows share forward passes.

A job is one query's strategy at work. At every step the driver fills one pass with waiting
windows, whichever jobs they belong to, has it scored, and sends each strategy that has all its
windows back its scores. A job that fails, fails alone.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from reranker.prompt import Prompt
from reranker.strategies import Scores, Strategy, Window

Score = Callable[[Sequence[Prompt]], Sequence[Scores]]
_MOST_JOBS = 1024


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """One window as it was scored: its candidates' places, its prompt, logits and time.

    `logits` hold the job's prior; `milliseconds` is the pass's time in proportion to the window's
    tokens.
    """

    candidates: Window
    prompt: Prompt
    logits: tuple[float, ...]
    milliseconds: float


class Job:
    """One query's reranking: a strategy and what makes its windows into prompts.

    Args:
        strategy: the generator to advance.
        prompt: makes a window's prompt.
        priority: jobs of a lower number fill a pass first. A time makes it a queue: every job's
            arrival, put back by what it can wait, lets none be overtaken for ever.
        prior: what the first stage's order weighs: every logit is lowered by `prior` times the
            natural logarithm of the candidate's rank there.

    `windows_read` and `tokens_read` count what has been through a pass.
    """

    def __init__(
        self,
        strategy: Strategy,
        prompt: Callable[[Window], Prompt],
        *,
        priority: float = 0,
        prior: float = 0,
    ) -> None:
        self.priority, self.prior = priority, prior
        self.windows_read = self.tokens_read = 0
        self.windows: list[ScoredWindow] = []
        self.order: list[int] | None = None
        self.error: Exception | None = None
        self._strategy = strategy
        self._prompt = prompt
        self._asked: list[Window] = []
        self._scored: dict[int, ScoredWindow] = {}
        self.waiting: dict[int, Prompt] = {}

    @property
    def waiting_tokens(self) -> int:
        """Tokens of the windows that wait for a pass."""
        return sum(map(len, self.waiting.values()))

    @property
    def done(self) -> bool:
        """Whether there is an order or an error."""
        return self.order is not None or self.error is not None

    def start(self) -> None:
        """Advance to the first windows."""
        self._advance(lambda: next(self._strategy))

    def receive(self, slot: int, logits: Scores, milliseconds: float) -> None:
        """Take one window's scores; advance once all that were asked for are there."""
        prompt = self.waiting.pop(slot)
        self.windows_read += 1
        self.tokens_read += len(prompt)
        window = self._asked[slot]
        found = lowered(logits, window, self.prior)
        self._scored[slot] = ScoredWindow(window, prompt, found, milliseconds)
        if not self.waiting:
            self.windows += [self._scored[slot] for slot in range(len(self._asked))]
            scores: list[Scores] = [self._scored[slot].logits for slot in range(len(self._asked))]
            self._advance(lambda: self._strategy.send(scores))

    def fail(self, error: Exception) -> None:
        """End without an order."""
        self.error, self.waiting = error, {}
        self._strategy.close()

    def _advance(self, step: Callable[[], list[Window]]) -> None:
        self._scored = {}
        try:
            self._asked = step()
            self.waiting = {slot: self._prompt(w) for slot, w in enumerate(self._asked)}
        except StopIteration as stop:
            self.order = stop.value
        except Exception as error:
            self.fail(error)


def lowered(logits: Sequence[float], window: Window, prior: float) -> tuple[float, ...]:
    """Logits, each less `prior` times the natural logarithm of its candidate's first-stage rank."""
    pairs = zip(logits, window, strict=True)
    return tuple(logit - prior * math.log1p(place) for logit, place in pairs)


class Lockstep:
    """Advances jobs, one shared pass a step.

    Args:
        score: gives every prompt's scores; called from `step` alone.
        batch_tokens: the most tokens of a pass; a longer window passes alone.
    """

    def __init__(self, score: Score, batch_tokens: int) -> None:
        self._score = score
        self.batch_tokens = batch_tokens
        self._jobs: list[Job] = []

    def add(self, job: Job) -> Job:
        """Take a job in; it shares passes from the next step on."""
        job.start()
        self._jobs.append(job)
        return job

    def cancel(self, job: Job, error: Exception) -> None:
        """End a job now; its waiting windows never reach a pass."""
        job.fail(error)

    @property
    def waiting_tokens(self) -> int:
        """Tokens of all windows that wait for a pass."""
        return sum(job.waiting_tokens for job in self._jobs)

    @property
    def active(self) -> int:
        """Jobs taken in and not handed back."""
        return len(self._jobs)

    def step(self) -> list[Job]:
        """Score one pass of windows; return the jobs that are done, each once."""
        chosen = self._choose()
        if chosen:
            self._pass(chosen)
        done = [job for job in self._jobs if job.done]
        self._jobs = [job for job in self._jobs if not job.done]
        return done

    def _choose(self) -> list[tuple[Job, int]]:
        """Waiting windows for one pass: by priority, then arrival, as many as fit."""
        chosen: list[tuple[Job, int]] = []
        tokens = 0
        for job in sorted(self._jobs, key=lambda job: job.priority):
            for slot, prompt in job.waiting.items():
                if not chosen or tokens + len(prompt) <= self.batch_tokens:
                    chosen.append((job, slot))
                    tokens += len(prompt)
        return chosen

    def _pass(self, chosen: list[tuple[Job, int]]) -> None:
        started = time.perf_counter()
        try:
            scores = self._score([job.waiting[slot] for job, slot in chosen])
        except Exception as error:
            self._pass_apart(chosen, error)
            return
        milliseconds = 1000 * (time.perf_counter() - started)
        tokens = sum(len(job.waiting[slot]) for job, slot in chosen) or 1
        shares = [milliseconds * len(job.waiting[slot]) / tokens for job, slot in chosen]
        for (job, slot), logits, share in zip(chosen, scores, shares, strict=True):
            job.receive(slot, logits, share)

    def _pass_apart(self, chosen: list[tuple[Job, int]], error: Exception) -> None:
        """After a failed pass: each window alone, so that only the guilty job fails."""
        if len(chosen) == 1:
            chosen[0][0].fail(error)
            return
        for job, slot in chosen:
            if not job.done:
                self._pass([(job, slot)])


def run(jobs: Iterable[Job], lockstep: Lockstep) -> Iterator[Job]:
    """Run jobs to their end, yielding each as it ends.

    No more are taken in than keep the passes full, so `jobs` may be endless.
    """
    arrivals = iter(jobs)
    more = True
    while more or lockstep.active:
        tokens = lockstep.waiting_tokens
        while more and tokens < lockstep.batch_tokens and lockstep.active < _MOST_JOBS:
            job = next(arrivals, None)
            more = job is not None
            if job is not None:
                tokens += lockstep.add(job).waiting_tokens
        yield from lockstep.step()
