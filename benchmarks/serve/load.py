"""Load on a server over loopback, and what became of every request.

- Open loop: requests are sent at times fixed beforehand, whatever becomes of those before them, as
  independent clients do. Latency counts from the time that was fixed, so that a generator or a
  server that lags hides nothing.
- Closed loop: so many clients, each of which asks again as soon as it is answered.
- A client leaves once its patience is at an end; no more than a bounded number wait at a time.
"""

import asyncio
import ipaddress
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.serve.load_mix import Ask
from reranker.errors import InputError
from serve.openapi import TIMEOUT_HEADER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

MOST_WAITING = 512
MOST_REQUESTS = 20_000
# What a server may take beyond a client's patience to say that it has run out.
GRACE_SECONDS = 2.0
_AGAIN_SECONDS = 0.2


class End(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    REFUSED = "refused"
    LEFT = "left"
    FAILED = "failed"
    UNSENT = "unsent"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: `due` and `seconds` (from then to the end) in seconds, `passes` in seconds.

    `lag` is how much later than `due` it was sent. `passes` is the time of its forward passes, as
    the server tells it, or None.
    """

    ask: Ask
    end: End
    status: int
    due: float
    seconds: float
    lag: float = 0.0
    passes: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load: its name, and the address that rankings are asked of."""

    name: str
    url: str

    def __post_init__(self) -> None:
        host = urlsplit(self.url).hostname or ""
        if not _is_loopback(host):
            raise InputError(
                f"load is put on this machine's own servers alone, and {host!r} is no loopback "
                "address; give http://127.0.0.1:PORT/…"
            )


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Times of independent arrivals, in seconds from the start: the same for the same seed.

    Raises:
        InputError: for a rate or time that is not above 0, or too many arrivals.
    """
    if not (rate > 0 and seconds > 0 and rate * seconds <= MOST_REQUESTS):
        raise InputError(
            f"{rate:g} requests a second over {seconds:g} s: give numbers above 0, and at most "
            f"{MOST_REQUESTS} requests together"
        )
    return list(_arrivals(Random(seed), rate, seconds))


def _arrivals(random: Random, rate: float, seconds: float) -> Iterator[float]:
    at = random.expovariate(rate)
    while at < seconds:
        yield at
        at += random.expovariate(rate)


@dataclass
class Load:
    """Puts load on one server.

    Args:
        client: an HTTP client without limits and timeouts of its own.
        target: the server.
        patience: seconds after which a client wants no answer any longer; the request says so in
            its header, for servers that read it.
        most: how many may wait at a time; what is due beyond it is not sent.
    """

    client: "httpx.AsyncClient"
    target: Target
    patience: float = 60.0
    most: int = MOST_WAITING
    _waiting: int = field(default=0, init=False)

    async def open_loop(self, asks: Sequence[Ask], due: Sequence[float]) -> list[Answer]:
        """Send each request at its time, in seconds from now; return once all have ended."""
        start = time.perf_counter()
        tasks = []
        for ask, at in zip(asks, due, strict=True):
            await asyncio.sleep(max(0.0, start + at - time.perf_counter()))
            tasks.append(asyncio.create_task(self._bounded(ask, start, at)))
        return list(await asyncio.gather(*tasks))

    async def closed_loop(self, asks: Sequence[Ask], clients: int) -> list[Answer]:
        """Have so many clients work off the requests, in order; `due` is when each was first sent.

        What is refused is sent again.
        """
        start = time.perf_counter()
        answers: dict[int, Answer] = {}
        places = count()

        async def work() -> None:
            while (place := next(places)) < len(asks):
                at = time.perf_counter() - start
                answers[place] = await self._bounded(asks[place], start, at)
                while answers[place].end is End.REFUSED:
                    await asyncio.sleep(_AGAIN_SECONDS)
                    answers[place] = await self._bounded(asks[place], start, at)

        await asyncio.gather(*(work() for _ in range(clients)))
        return [answers[place] for place in range(len(asks))]

    async def ask(self, ask: Ask) -> Answer:
        """Send one request now."""
        [answer] = await self.open_loop([ask], [0.0])
        return answer

    async def _bounded(self, ask: Ask, start: float, due: float) -> Answer:
        if self._waiting >= self.most:
            return Answer(ask, End.UNSENT, 0, due, 0.0)
        self._waiting += 1
        lag = time.perf_counter() - start - due
        try:
            end, status, passes = await self._sent(ask)
        finally:
            self._waiting -= 1
        return Answer(ask, end, status, due, time.perf_counter() - start - due, lag, passes)

    async def _sent(self, ask: Ask) -> tuple[End, int, float | None]:
        import httpx

        headers = {"content-type": "application/json", TIMEOUT_HEADER: f"{self.patience:g}"}
        try:
            async with asyncio.timeout(self.patience + GRACE_SECONDS):
                response = await self.client.post(
                    self.target.url, content=ask.body, headers=headers
                )
        except TimeoutError:
            return End.LEFT, 0, None
        except httpx.HTTPError:
            return End.FAILED, 0, None
        return (
            judged(ask, response.status_code, response.content),
            response.status_code,
            passes(response.headers),
        )


def judged(ask: Ask, status: int, content: bytes) -> End:
    """Whether an answer ranks every candidate once, or is a refusal in JSON, or neither."""
    try:
        body = json.loads(content)
    except ValueError:
        return End.FAILED
    if not isinstance(body, Mapping):
        return End.FAILED
    if status == 200:
        return End.ANSWERED if _is_ranking(body.get("results"), ask.candidates) else End.FAILED
    # 500 is JSON too, and no refusal: the server broke.
    return End.REFUSED if status in (429, 503, 504) and body else End.FAILED


def passes(headers: Mapping[str, str]) -> float | None:
    """The time of the forward passes in a `Server-Timing` header, in seconds."""
    for part in headers.get("server-timing", "").split(","):
        name, _, spent = part.strip().partition(";dur=")
        if name == "engine":
            return float(spent) / 1000
    return None


@asynccontextmanager
async def client() -> "AsyncIterator[httpx.AsyncClient]":
    """An HTTP client that neither bounds nor times out by itself, and obeys no proxy."""
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=MOST_WAITING)
    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as found:
        yield found


def _is_ranking(results: Any, candidates: int) -> bool:
    if not isinstance(results, list) or not all(isinstance(each, Mapping) for each in results):
        return False
    return sorted(each.get("index", -1) for each in results) == list(range(candidates))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
