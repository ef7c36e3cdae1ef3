"""The trials that servers are put to: one client, many clients, an open loop, and an overload."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks.serve.figures import Overhead, Overload, Trial
from benchmarks.serve.load import Load, poisson
from benchmarks.serve.load_mix import SHORT, Ask, Mix
from benchmarks.serve.plain import milliseconds
from benchmarks.serve.servers import Server
from reranker.errors import RerankerError
from reranker.passage import Passage
from reranker.reranker import Reranker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

# Long enough for whatever a trial has left behind.
_SETTLE_SECONDS = 600.0
_AFTER_SECONDS = 5.0
_FRESH_REQUESTS = 3
_LOOK_SECONDS = 0.5
_MOST_LAG_SECONDS = 0.5
_SAMPLED_REQUESTS = 100

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Trials:
    """Puts servers to trials, all to the same requests.

    Args:
        client: an HTTP client.
        mix: requests are drawn from it.
        reranker: the same model in this process.
        patience: seconds after which a client leaves.
        say: told what goes on.
    """

    client: "httpx.AsyncClient"
    mix: Mix
    reranker: Reranker
    patience: float
    say: Say

    async def overhead(self, servers: Sequence[Server], rounds: int) -> list[Overhead]:
        """One client at a time asks every server for what it also calls for itself, in turns."""
        asks = self.mix.only(SHORT, rounds + 1)
        seconds: dict[str, list[tuple[float, float]]] = {each.name: [] for each in servers}
        calls = []
        for ask in asks:
            calls.append(self._called(ask))
            for server in servers:
                answer = await _answered(self._load(server), ask)
                seconds[server.name].append(answer)
        self.say("overhead: measured")
        # The first round warms up.
        return [
            Overhead(server.name, *_columns(seconds[server.name][1:]), *_columns(calls[1:]))
            for server in servers
        ]

    async def saturated(
        self, servers: Sequence[Server], requests: int, clients: int, rounds: int
    ) -> list[Trial]:
        """So many clients who never wait keep each server busy; the servers take turns."""
        found = []
        for turn in range(rounds):
            asks = self._planned(self.mix.draw(requests, seed=turn))
            for server in servers:
                answers = await self._load(server, _SETTLE_SECONDS).closed_loop(asks, clients)
                found.append(Trial(server.name, None, tuple(answers), _SETTLE_SECONDS))
                self.say(f"closed loop, {server.name}: {found[-1].throughput:.3f} answers/s")
        return found

    def capacity(self, closed: Trial) -> float:
        """Requests of the mix a second that a server reads, by its tokens a second.

        The few of a closed loop hold too few long ones to go by their number.
        """
        asks = self._planned(self.mix.draw(_SAMPLED_REQUESTS))
        return closed.token_throughput / fmean(ask.tokens for ask in asks)

    async def offered(
        self,
        servers: Sequence[Server],
        load: float,
        capacity: float,
        seconds: float,
        rounds: int,
    ) -> list[Trial]:
        """Requests at fixed times, `load` times `capacity` a second; the servers take turns."""
        found = []
        for turn in range(rounds):
            due = poisson(load * capacity, seconds, seed=turn)
            asks = self._planned(self.mix.draw(len(due), seed=turn))
            for server in servers:
                trial = await self._trial(server, load, asks, due, seconds)
                recovered, _ = await _answered(self._load(server, _SETTLE_SECONDS), self._fresh())
                found.append(replace(trial, recovered=recovered))
                self.say(f"load {load:g}, {server.name}: {trial.throughput:.3f} in time/s")
        return found

    async def overload(
        self, server: Server, load: float, closed: Trial, seconds: float
    ) -> Overload:
        """Far more than a server can read: what it answers, holds, and how it is afterwards."""
        before = await self._fresh_seconds(server)
        due = poisson(load * self.capacity(closed), seconds, seed=0)
        asks = self._planned(self.mix.draw(len(due), seed=0))
        async with _watched(server) as memory:
            trial = asyncio.create_task(self._trial(server, load, asks, due, seconds))
            await asyncio.sleep(seconds + _AFTER_SECONDS)
            after = await self._fresh_seconds(server)
            done = await trial
        await asyncio.sleep(_AFTER_SECONDS)
        later = await self._fresh_seconds(server)
        return Overload(done, closed, tuple(memory), before, after, later)

    async def _trial(
        self,
        server: Server,
        load: float,
        asks: Sequence[Ask],
        due: Sequence[float],
        seconds: float,
    ) -> Trial:
        answers = await self._load(server).open_loop(asks, due)
        trial = Trial(server.name, load, tuple(answers), self.patience, seconds)
        if trial.lag > _MOST_LAG_SECONDS:
            self.say(f"the generator itself was late by up to {trial.lag:.1f} s")
        return trial

    async def _fresh_seconds(self, server: Server) -> tuple[float, ...]:
        """A short request, some times one after the other."""
        load = self._load(server, _SETTLE_SECONDS)
        return tuple([(await _answered(load, self._fresh()))[0] for _ in range(_FRESH_REQUESTS)])

    def _called(self, ask: Ask) -> tuple[float, float]:
        """The in-process call: its time, and that of its passes."""
        started = time.perf_counter()
        ranking = self.reranker.rank(ask.query, ask.texts)
        return time.perf_counter() - started, milliseconds(ranking) / 1000

    def _fresh(self) -> Ask:
        [ask] = self.mix.only(SHORT, 1)
        return ask

    def _planned(self, asks: Sequence[Ask]) -> list[Ask]:
        """The requests with the tokens that reading each takes."""
        found = []
        for ask in asks:
            passages = [Passage(text) for text in ask.texts]
            tokens = sum(self.reranker.plan(self.reranker.encode(ask.query, passages)))
            found.append(replace(ask, tokens=tokens))
        return found

    def _load(self, server: Server, patience: float | None = None) -> Load:
        return Load(self.client, server.target, patience or self.patience)


async def _answered(load: Load, ask: Ask) -> tuple[float, float]:
    """The time of one answer, and of its passes.

    Raises:
        RerankerError: for anything else than an answer.
    """
    answer = await load.ask(ask)
    if answer.passes is None:
        raise RerankerError(
            f"the server {load.target.name!r} did not rank a single request: it was "
            f"{answer.end}, with status {answer.status}"
        )
    return answer.seconds, answer.passes


@asynccontextmanager
async def _watched(server: Server) -> "AsyncIterator[list[int]]":
    """A server's memory, looked at for as long as the block runs."""
    found = [server.memory()]

    async def look() -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            found.append(await asyncio.to_thread(server.memory))

    task = asyncio.create_task(look())
    try:
        yield found
    finally:
        task.cancel()


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(first for first, _ in pairs), tuple(second for _, second in pairs)
