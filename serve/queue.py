"""The window queue, one a replica: the windows of all requests, waiting to share passes.

Work comes from any thread; everything else is done by the engine thread. Every engine has a lane
of its own, since windows share a pass only where they share the weights; the lane whose work is
most urgent goes next. Within a lane the most urgent window is always in the pass, and whatever
still fits goes with it.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock

from reranker.engine import Engine
from reranker.lockstep import Job, Lockstep
from reranker.prompt import Prompt
from reranker.strategies import Scores
from serve.work import Work

Read = Callable[[Engine, Sequence[Prompt]], Sequence[Scores]]
Budget = Callable[[Engine], int]


class WindowQueue:
    """Work that waits for the engine thread.

    Args:
        read: reads one pass of prompts with an engine.
        budget: the most tokens of an engine's next pass; the engine's own when not given.
    """

    def __init__(self, read: Read, budget: Budget = lambda engine: engine.batch_tokens) -> None:
        self._read, self._budget = read, budget
        self._lock = Lock()
        self._unsettled: set[Work] = set()
        self._arrivals: deque[Work] = deque()
        self._lanes: dict[Engine, _Lane] = {}
        self._closed: Exception | None = None

    def put(self, work: Work) -> None:
        """Take work in; after `close` it fails at once."""
        with self._lock:
            closed = self._closed
            if closed is None:
                self._unsettled.add(work)
                self._arrivals.append(work)
        if closed is not None:
            work.settle(closed)

    def depth(self, before: float = math.inf) -> tuple[int, int]:
        """Windows and tokens that are still to be read, of work of that priority or before it."""
        left = [work.left for work in self._live() if work.job.priority <= before]
        return sum(windows for windows, _ in left), sum(tokens for _, tokens in left)

    def step(self) -> bool:
        """Read one pass; False where nothing waits for one."""
        self._take_in()
        for lane in self._lanes.values():
            lane.drop_unwanted()
        if not self._lanes:
            return False
        lane = min(self._lanes.values(), key=lambda lane: lane.urgency)
        lane.step()
        if not lane.works:
            del self._lanes[lane.engine]
        return True

    def fail_all(self, error: Exception) -> None:
        """End all work with an error."""
        with self._lock:
            works, self._unsettled = self._unsettled, set()
            self._arrivals.clear()
        self._lanes.clear()
        for work in works:
            if not work.done.done():
                work.settle(error)

    def close(self, error: Exception) -> None:
        """End all work, and whatever comes after, with an error."""
        with self._lock:
            self._closed = error
        self.fail_all(error)

    def _take_in(self) -> None:
        while self._arrivals:
            work = self._arrivals.popleft()
            if work.engine not in self._lanes:
                self._lanes[work.engine] = _Lane(work.engine, self._read, self._budget)
            self._lanes[work.engine].add(work)

    def _live(self) -> set[Work]:
        """Work whose end somebody still waits for."""
        with self._lock:
            self._unsettled = {work for work in self._unsettled if not work.done.done()}
            return self._unsettled.copy()


class _Lane:
    """The work of one engine, in lockstep."""

    def __init__(self, engine: Engine, read: Read, budget: Budget) -> None:
        self.engine, self._budget = engine, budget
        self.works: dict[Job, Work] = {}
        self._lockstep = Lockstep(partial(read, engine), engine.batch_tokens)

    @property
    def urgency(self) -> float:
        """The lowest priority number of its jobs."""
        return min(job.priority for job in self.works)

    def add(self, work: Work) -> None:
        """Take work in."""
        self.works[work.job] = work
        self._lockstep.add(work.job)

    def drop_unwanted(self) -> None:
        """End all work that nobody waits for any longer; it reaches no further pass."""
        now = time.monotonic()
        for job, work in self.works.items():
            if not job.done and (error := work.unwanted(now)):
                self._lockstep.cancel(job, error)

    def step(self) -> None:
        """Read one pass, and settle the work that has ended.

        An error that no job can be blamed for ends them all.
        """
        self._lockstep.batch_tokens = self._budget(self.engine)
        before = {job: job.tokens_read for job in self.works}
        started = time.monotonic()
        try:
            done = self._lockstep.step()
        except Exception as error:
            self._settle(list(self.works), error)
            return
        seconds = time.monotonic() - started
        for job, tokens in before.items():
            self.works[job].seconds += seconds if job.tokens_read > tokens else 0.0
        self._settle(done)

    def _settle(self, jobs: Sequence[Job], error: Exception | None = None) -> None:
        for job in jobs:
            self.works.pop(job).settle(error)
