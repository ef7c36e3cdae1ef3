"""Work: one request in the queue."""

import math
from concurrent.futures import Future
from dataclasses import dataclass, field

from reranker.engine import Engine
from reranker.lockstep import Job
from reranker.reranker import Reranker
from serve.errors import Refusal, ServiceError
from serve.prepared import Prepared


@dataclass(eq=False, slots=True, kw_only=True)
class Work:
    """A request's job, what it is expected to cost, and whoever waits for it.

    Args:
        job: its windows.
        engine: what reads them.
        windows, tokens: how many it is expected to read.
        deadline: when no answer is wanted any longer, in seconds of `time.monotonic`.

    `done` ends when the job has, or with its error; cancelling it gives the work up. `seconds`
    is how long the passes took that it had a part in.
    """

    job: Job
    engine: Engine
    windows: int
    tokens: int
    deadline: float = math.inf
    done: "Future[None]" = field(default_factory=Future)
    seconds: float = 0.0

    @classmethod
    def of(
        cls, reranker: Reranker, prepared: Prepared, *, priority: float, deadline: float
    ) -> "Work":
        """The work of reading a prepared request."""
        return cls(
            job=reranker.job(prepared.candidates, priority=priority),
            engine=reranker.engine,
            windows=len(prepared.windows),
            tokens=prepared.tokens,
            deadline=deadline,
        )

    @property
    def left(self) -> tuple[int, int]:
        """Windows and tokens that are still expected to be read."""
        windows, tokens = self.windows - self.job.windows_read, self.tokens - self.job.tokens_read
        return max(windows, 0), max(tokens, 0)

    def unwanted(self, now: float) -> ServiceError | None:
        """Why this work is to be dropped, if it is."""
        if self.done.cancelled():
            return ServiceError(Refusal.CLIENT_GONE, "the client left before the answer")
        if now >= self.deadline:
            return too_late()
        return None

    def settle(self, error: Exception | None = None) -> None:
        """Tell whoever waits that the job has ended, or failed; once."""
        if not self.done.set_running_or_notify_cancel():
            return
        error = error or self.job.error
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


def too_late() -> ServiceError:
    """The refusal of a request whose deadline has passed."""
    return ServiceError(
        Refusal.DEADLINE,
        "the deadline passed before the answer was ready; allow a longer timeout, send fewer or "
        "shorter documents, or come again when there is less to do",
    )
