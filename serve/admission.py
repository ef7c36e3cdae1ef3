"""Admission: which requests are taken in, decided before any of them costs much."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from serve.answer import too_long
from serve.errors import Refusal, ServiceError
from serve.prepared import Prepared
from serve.request import Priority, RerankRequest
from serve.settings import Limits
from serve.worker import Worker

_CHARACTERS_A_TOKEN = 4
# How many times as long as reading it takes a request can wait for shorter ones that came later.
_WAITS = 5.0


@dataclass(eq=False, slots=True)
class Ticket:
    """A request that was taken in.

    Args:
        arrived, deadline: in seconds of `time.monotonic`.
        tokens: that it is expected to add to the queue.
        priority: its place there; see `Job`.
    """

    arrived: float
    deadline: float
    tokens: int
    priority: float = math.inf


class Admission:
    """Keeps the limits, in the event loop's thread.

    Args:
        limits: in force; may be replaced at any time.
        worker: whose queue is filled, and whose speed is measured.
    """

    def __init__(self, limits: Limits, worker: Worker) -> None:
        self.limits = limits
        self._worker = worker
        self._ready = self._draining = False
        self._tickets: set[Ticket] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def ready(self) -> bool:
        """Whether requests are taken in."""
        return self._ready and not self._draining

    def open(self) -> None:
        """Take requests in from now on."""
        self._ready = True

    async def drain(self, seconds: float) -> bool:
        """Take no more requests in, and wait for those that were; whether all have ended."""
        self._draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)
        return self._empty.is_set()

    @contextmanager
    def taken(
        self, request: RerankRequest, passage_tokens: int, deadline: float = math.inf
    ) -> Iterator[Ticket]:
        """Take a request in for as long as the block runs.

        Args:
            request: not tokenised yet, so that its cost is a guess.
            passage_tokens: the most tokens that are read of a passage.
            deadline: when no answer is wanted any longer, in seconds of `time.monotonic`.

        Raises:
            ServiceError: NOT_READY, UNPROCESSABLE or QUEUE_FULL.
        """
        self._check_ready()
        _check_fields(request)
        self._check_documents(len(request.passages))
        lengths = (len(passage.text) // _CHARACTERS_A_TOKEN for passage in request.passages)
        tokens = sum(min(length, passage_tokens) for length in lengths)
        ticket = Ticket(time.monotonic(), deadline, tokens)
        self._place(ticket, request, tokens)
        self._tickets.add(ticket)
        self._empty.clear()
        try:
            yield ticket
        finally:
            self._tickets.discard(ticket)
            if not self._tickets:
                self._empty.set()

    def queue(self, ticket: Ticket, request: RerankRequest, prepared: Prepared) -> None:
        """Let a request that was taken in go on to the queue, now that its cost is known.

        Raises:
            ServiceError: UNPROCESSABLE or QUEUE_FULL.
        """
        self._check_tokens(prepared.tokens)
        if not request.truncate:
            _check_uncut(request, prepared)
        # From here on the queue counts its tokens.
        ticket.tokens = 0
        self._place(ticket, request, prepared.tokens)

    def _check_ready(self) -> None:
        if self._draining:
            raise ServiceError(
                Refusal.NOT_READY,
                "this replica is stopping and takes no more requests; send it again",
                retry_after=1.0,
            )
        if not self._ready:
            raise ServiceError(
                Refusal.NOT_READY, "the model is being loaded; come again", retry_after=5.0
            )

    def _check_documents(self, count: int) -> None:
        if count > self.limits.max_documents:
            raise ServiceError(
                Refusal.UNPROCESSABLE,
                f"the request has {count} documents and may have {self.limits.max_documents}; "
                "send the best of them by the first stage",
            )

    def _check_tokens(self, tokens: int) -> None:
        if tokens > self.limits.max_request_tokens:
            raise ServiceError(
                Refusal.UNPROCESSABLE,
                f"reading the request takes {tokens} tokens and may take "
                f"{self.limits.max_request_tokens}; send fewer documents, or have them cut shorter",
            )

    def _place(self, ticket: Ticket, request: RerankRequest, tokens: int) -> None:
        """Give a request of so many tokens its place in the queue, if there is room for it."""
        ticket.priority = self._priority(request, ticket.arrived, tokens)
        queued, ahead = self._waiting(math.inf), self._waiting(ticket.priority)
        full = queued + tokens > self.limits.max_queued_tokens
        slow = self._seconds(ahead) > self.limits.max_queued_s
        late = time.monotonic() + self._seconds(ahead + tokens) > ticket.deadline
        # Whatever may be asked for is taken in by an empty queue.
        if queued and (full or slow or late):
            waiting = queued if full else ahead
            raise ServiceError(
                Refusal.QUEUE_FULL,
                f"{waiting} tokens wait to be read, and no more are taken in; come again when "
                "they have been",
                retry_after=max(1.0, self._seconds(waiting)),
            )

    def _priority(self, request: RerankRequest, arrived: float, tokens: int) -> float:
        """The oldest goes first; what takes long, and bulk, as if it had come later.

        So a short request overtakes a long one, which it delays little, and none for ever.
        """
        bulk = request.priority is Priority.BULK
        return arrived + _WAITS * self._seconds(tokens) + (self.limits.ageing_s if bulk else 0.0)

    def _waiting(self, before: float) -> int:
        """Tokens that wait to be read, of requests of that priority or before it."""
        _, queued = self._worker.queue.depth(before)
        return queued + sum(each.tokens for each in self._tickets if each.priority <= before)

    def _seconds(self, tokens: int) -> float:
        """How long so many tokens take; no time before anything was measured."""
        return self._worker.rate.seconds(tokens) or 0.0


def _check_fields(request: RerankRequest) -> None:
    """What a dialect should not have let through."""
    scores = request.first_stage_scores
    if scores is not None and len(scores) != len(request.passages):
        raise _unprocessable(
            f"{len(scores)} first-stage scores were given for {len(request.passages)} documents; "
            "give one each, or none"
        )
    if scores is not None and not all(map(math.isfinite, scores)):
        raise _unprocessable("a first-stage score is not finite; give numbers, or none")
    for name in ("top_n", "passage_tokens"):
        value = getattr(request, name)
        if value is not None and value < 1:
            raise _unprocessable(f"{name} is {value}; give a whole number of at least 1, or none")


def _check_uncut(request: RerankRequest, prepared: Prepared) -> None:
    if cut := prepared.cut:
        raise too_long(request, cut, f"limit of {prepared.passage_tokens}")
    if prepared.query_cut:
        raise _unprocessable(
            f"the query ({len(request.query)} characters) or the instruction is longer than what "
            "is read, and truncation is off; shorten it, or allow truncation"
        )
    if prepared.largest > prepared.budget:
        raise _unprocessable(
            f"a window of these documents takes {prepared.largest} tokens and may take "
            f"{prepared.budget}, and truncation is off; shorten the documents, or allow truncation"
        )


def _unprocessable(message: str) -> ServiceError:
    return ServiceError(Refusal.UNPROCESSABLE, message)
