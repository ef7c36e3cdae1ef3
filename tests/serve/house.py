"""A service over the tiny model, and a gate that tells what reaches its engine."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from reranker.checkpoint import Checkpoint
from reranker.passage import Passage
from reranker.prompt import Prompt
from reranker.reranker import Reranker
from reranker.settings import Settings
from serve.request import RerankRequest, RerankResponse
from serve.service import Service
from serve.settings import Limits, ServeSettings
from tests.tiny import tiny_model, tiny_tokenizer

SETTINGS = Settings(layout="suffix", window=6, stride=3, passage_tokens=24, query_tokens=32)


def tiny_reranker(seed: int = 0, **overrides: Any) -> Reranker:
    """A reranker of random weights, the same for the same seed."""
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer, seed=seed)
    batch_tokens = overrides.pop("batch_tokens", None)
    checkpoint = Checkpoint("tiny", model, tokenizer, SETTINGS.override(**overrides))
    return Reranker(checkpoint, batch_tokens=batch_tokens)


class Shelf:
    """Loads tiny rerankers: an adapter's name is its seed. Keeps what was loaded."""

    def __init__(self) -> None:
        self.loaded: list[str | None] = []
        self.rerankers: list[Reranker] = []

    def __call__(
        self, settings: ServeSettings, adapter: str | None, make_room: Callable[[], None]
    ) -> Reranker:
        self.loaded.append(adapter)
        seed = int(adapter or 0)
        make_room()
        reranker = tiny_reranker(seed, batch_tokens=settings.batch_tokens, **settings.overrides)
        self.rerankers.append(reranker)
        return reranker


class Gate:
    """Stands before a reranker's engine: holds its passes back while closed, and keeps them.

    `poison` makes every pass fail that has a window of so many passages.
    """

    def __init__(self, reranker: Reranker) -> None:
        self.passes: list[list[Prompt]] = []
        self.reached = threading.Event()
        self.poison: dict[int, Exception] = {}
        self._open = threading.Event()
        self._open.set()
        self._score = reranker.engine.score
        reranker.engine.score = self  # type: ignore[method-assign]

    def __call__(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        self.reached.set()
        assert self._open.wait(30), "the test left the gate closed"
        self.passes.append(list(prompts))
        for size in self.sizes[-1]:
            if size in self.poison:
                raise self.poison[size]
        return self._score(prompts)

    @property
    def sizes(self) -> list[list[int]]:
        """How many passages the windows of each pass had."""
        return [[len(prompt.identifiers) for prompt in prompts] for prompts in self.passes]

    def close(self) -> None:
        """Hold the next pass back; what has passed is forgotten."""
        self._open.clear()
        self.reached.clear()
        self.passes.clear()

    def open(self) -> None:
        """Let passes through."""
        self._open.set()


class House:
    """A service under test, the shelf that it loads from, and the gate of its default engine."""

    def __init__(self, service: Service, shelf: Shelf) -> None:
        self.service, self.shelf = service, shelf
        self.gate = Gate(shelf.rerankers[0])

    def ask(self, request: RerankRequest) -> "asyncio.Task[RerankResponse]":
        """Send a request."""
        return asyncio.create_task(self.service.rerank(request))

    async def busy(self) -> "asyncio.Task[RerankResponse]":
        """Close the gate, and have the engine thread wait before it with two passages."""
        self.gate.close()
        task = self.ask(request(2))
        await until(self.gate.reached.is_set)
        return task

    async def queued(self, windows: int) -> None:
        """Wait for the queue to hold so many windows, those of the pass at hand included."""
        await until(lambda: self.service._worker.queue.depth()[0] == windows)


@asynccontextmanager
async def serving(limits: Limits | None = None, **settings: Any) -> AsyncIterator[House]:
    """A service that runs, and is stopped at the end."""
    shelf = Shelf()
    made = ServeSettings(limits=limits or Limits(), **settings)
    service = Service(made, load=shelf)
    await service.start()
    house = House(service, shelf)
    try:
        yield house
    finally:
        house.gate.open()
        await service.stop(10.0)


def request(documents: int, query: str = "which number?", **options: Any) -> RerankRequest:
    """A request with so many short passages."""
    return RerankRequest(query=query, passages=passages(documents), **options)


def passages(count: int) -> tuple[Passage, ...]:
    """Passages of different text and length."""
    return tuple(Passage(f"passage {place} " + "ab " * (place * 7 % 5)) for place in range(count))


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def run(body: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous test to its end."""

    async def main() -> None:
        await body()

    asyncio.run(main())
