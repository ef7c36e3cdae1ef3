"""A service elsewhere, as a client asks it: what to send, how long to wait, what came back.

Like a strategy, asking is a generator: it yields what it wants done, is sent what came of it, and
returns the ranking. It knows no network, so that a client that blocks and one that does not are
the same but for a few lines.
"""

import json
import math
import random
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from reranker.errors import (
    BusyError,
    DeadlineError,
    RemoteError,
    SettingsError,
    UnreachableError,
)
from reranker.inputs import check_options, check_query
from reranker.passage import Passage, as_passages
from reranker.ranking import Ranking

_LONGEST = 86_400.0
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_LATE = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT)
_MEND = {
    401: "give the service's key as api_key=",
    403: "give a key that may rank as api_key=",
    404: "give the address that the service prints when it starts, and a model that /info names",
    413: "give fewer or shorter passages",
    422: "",
}


@dataclass(frozen=True, slots=True)
class Send:
    """Send a body of JSON; seconds until it is too late."""

    body: bytes
    timeout: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What the service answered."""

    status: int
    body: bytes = b""
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came: the kind of failure, and whether it was one of time."""

    kind: str
    late: bool = False


Asking = Generator[Send | Wait, Reply | Lost | None, Ranking]


@dataclass(frozen=True, slots=True)
class Remote:
    """Where the service is, and on which terms it is asked; see `reranker.Client`.

    Raises:
        SettingsError: for an address, a key or terms that nothing can be asked with.
    """

    url: str
    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    timeout: float = 60.0
    retries: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _address(self.url))
        if self.api_key is not None and not _fits_a_header(self.api_key):
            raise SettingsError(
                "api_key is empty, or holds what no HTTP header can; expected printable ASCII "
                "without blanks around it (is there a line's end from a file?)"
            )
        if not 0 < self.timeout <= _LONGEST:
            raise SettingsError(
                f"timeout is {self.timeout} seconds; expected more than 0, up to {_LONGEST:.0f}"
            )
        if self.retries < 0:
            raise SettingsError(f"retries is {self.retries}; expected 0 or more")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        key = {} if self.api_key is None else {"authorization": f"Bearer {self.api_key}"}
        return {"content-type": "application/json", **key}

    def ask(
        self, query: str, passages: Iterable[object], top_k: int | None, instruction: str | None
    ) -> Asking:
        """Ask for a ranking; the deadline runs from the first step on.

        Raises:
            InputError: as for `Reranker.rank`.
            RemoteError: once there is nothing more to try.
        """
        check_options(top_k, instruction)
        check_query(query, 0)
        candidates = as_passages(passages)
        if not candidates:
            return Ranking(query, [])
        body = self._body(query, candidates, top_k, instruction)
        answer = yield from self._answer(body)
        wanted = min(len(candidates), top_k or len(candidates))
        scored, absolute = self._read(answer, len(candidates), wanted)
        return Ranking.of_scores(query, candidates, scored, absolute=absolute)

    def _answer(self, body: dict[str, Any]) -> Generator[Send | Wait, Reply | Lost | None, bytes]:
        deadline = monotonic() + self.timeout
        for attempt in range(self.retries + 1):
            left = deadline - monotonic()
            reply = yield Send(_json({**body, "timeout": left}), left)
            assert reply is not None
            if isinstance(reply, Reply) and reply.status == HTTPStatus.OK:
                return reply.body
            error = self._error(reply, attempt)
            # Those that were refused together do not come again together.
            seconds = _pause(error, attempt) * (1 + random.random() / 4)
            again = isinstance(error, BusyError | UnreachableError) and attempt < self.retries
            if not again or monotonic() + seconds >= deadline:
                raise error
            yield Wait(seconds)
        raise AssertionError("the last attempt returns or raises")

    def _body(
        self, query: str, passages: Sequence[Passage], top_k: int | None, instruction: str | None
    ) -> dict[str, Any]:
        # A whole number of numpy is none of JSON.
        top_n = None if top_k is None else int(top_k)
        options = {"top_n": top_n, "instruction": instruction, "model": self.model}
        return {
            "query": query,
            "passages": [_written(passage) for passage in passages],
            "raw_scores": True,
            **{name: value for name, value in options.items() if value is not None},
        }

    def _error(self, reply: Reply | Lost, attempt: int) -> RemoteError:
        tried = f" (tried {attempt + 1} times)" if attempt else ""
        if isinstance(reply, Lost):
            return self._lost(reply, tried)
        found = f"{self.url} answered {reply.status}{_said(reply.body)}{tried}"
        after = _seconds(reply.retry_after)
        if reply.status in _BUSY:
            when = "" if after is None else f" in {after:g} seconds,"
            return BusyError(
                f"{found}; try again{when} or allow more: timeout= (now {self.timeout:g} seconds) "
                f"and retries= (now {self.retries})",
                status=reply.status,
                retry_after=after,
            )
        if reply.status in _LATE:
            return DeadlineError(
                f"{found}; allow a longer timeout= (now {self.timeout:g} seconds), or give fewer "
                "passages",
                status=reply.status,
            )
        mend = _MEND.get(reply.status, "check the address, and the service's log")
        return RemoteError(f"{found}; {mend}".rstrip("; "), status=reply.status)

    def _lost(self, lost: Lost, tried: str) -> RemoteError:
        if lost.late:
            return DeadlineError(
                f"{self.url} gave no answer within {self.timeout:g} seconds{tried}; allow a longer "
                "timeout=, or give fewer passages"
            )
        return UnreachableError(
            f"{self.url} cannot be reached ({lost.kind}){tried}; check the address, and that the "
            "service runs there: its /readyz answers 200"
        )

    def _read(self, body: bytes, count: int, wanted: int) -> tuple[list[tuple[int, float]], bool]:
        """Each result's place and score, and whether scores are absolute."""
        try:
            answer = json.loads(body)
            results = [(each["index"], each["score"]) for each in answer["results"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            answer, results = {}, []
        places = {place for place, _ in results if type(place) is int and 0 <= place < count}
        numbers = all(type(s) in (int, float) and math.isfinite(s) for _, s in results)
        if not numbers or not len(places) == len(results) == wanted:
            raise RemoteError(
                f"{self.url} answered no ranking of {wanted} passages; expected this project's "
                "service, of this version: is it another one's address?",
                status=HTTPStatus.OK,
            )
        scored = [(place, float(score)) for place, score in results]
        return scored, answer.get("absolute") is True


def _address(url: str) -> str:
    """An address without a slash at its end."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    # The address is shown in errors and logs, so there is no secret in it.
    if not whole or not url.isprintable() or "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            "url is no service's address; expected one like 'http://127.0.0.1:8000', without a "
            "user, a password or a query (a key goes into api_key=)"
        )
    return url.rstrip("/")


def _fits_a_header(key: str) -> bool:
    return bool(key) and key.isascii() and key.isprintable() and key == key.strip()


def _written(passage: Passage) -> str | dict[str, str]:
    if passage.title is None:
        return passage.text
    return {"text": passage.text, "title": passage.title}


def _json(body: dict[str, Any]) -> bytes:
    # In ASCII, so that a lone surrogate breaks nothing.
    return json.dumps(body, allow_nan=False, separators=(",", ":")).encode("ascii")


def _said(body: bytes) -> str:
    """What a refusal says, on one short line."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    line = " ".join(str(message).split())
    return f": {line[:500]}"


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds; a date there is left to the usual pause."""
    return float(header) if header is not None and header.strip().isdecimal() else None


def _pause(error: RemoteError, attempt: int) -> float:
    return 0.5 * 2.0**attempt if error.retry_after is None else error.retry_after
