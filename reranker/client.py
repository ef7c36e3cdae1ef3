"""Clients of the service: the call of `Reranker`, answered elsewhere."""

import asyncio
import time
from collections.abc import Iterable
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from reranker.errors import MissingExtraError
from reranker.ranking import Ranking
from reranker.remote import Lost, Remote, Reply, Send, Wait

if TYPE_CHECKING:
    import httpx

URL = "http://127.0.0.1:8000"
"""Where `make serve` listens."""


class _Connected:
    """What both clients hold: the service, on its terms, and connections to it."""

    _connections: ClassVar[str]
    """The class of httpx that holds them."""

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        model: str | None = None,
        timeout: float = 60.0,
        retries: int = 2,
    ) -> None:
        self._remote = Remote(url, api_key, model, timeout, retries)
        self._http = getattr(_httpx(), self._connections)(headers=self._remote.headers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._remote.url!r}, model={self._remote.model!r})"


class Client(_Connected):
    """Ranks by a service, as `Reranker` does here; may be shared by threads.

    What has too much to do, or broke the connection, is asked again: after the seconds that it
    names, or half a second, twice that, …, as long as the deadline allows.

    Args:
        url: the service's address.
        api_key: its key, where it wants one.
        model: the name of one of its adapters; its default when not given.
        timeout: seconds for a call, all attempts together; the service is told what is left.
        retries: how often a call is made again, at most.

    Raises:
        MissingExtraError: where httpx is not installed.
        SettingsError: for an address, a key or terms that nothing can be asked with.
    """

    _connections = "Client"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def rank(
        self,
        query: str,
        passages: Iterable[object],
        *,
        top_k: int | None = None,
        instruction: str | None = None,
    ) -> Ranking:
        """Rank passages for a query, as `Reranker.rank` does.

        Scores are identifier logits, as there; the explanation has no windows, which the service
        does not send.

        Raises:
            InputError: for a blank query, or passages of another kind.
            BusyError: where the service has too much to do for longer than the deadline.
            DeadlineError: where no answer came in time.
            UnreachableError: where nothing answers.
            RemoteError: for any other refusal, as the service words it.
        """
        asking = self._remote.ask(query, passages, top_k, instruction)
        came: Reply | Lost | None = None
        while True:
            try:
                step = asking.send(came)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            came = self._done(step)

    def _done(self, step: Send | Wait) -> Reply | Lost | None:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        try:
            return _reply(
                self._http.post(f"{self._remote.url}/rank", content=step.body, timeout=step.timeout)
            )
        except _httpx().RequestError as error:
            return _lost(error)


class AsyncClient(_Connected):
    """`Client` for asyncio: `await client.rank(…)`, `async with`, `await client.aclose()`.

    Cancelling a call closes its connection, and the service drops the work.
    """

    _connections = "AsyncClient"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def rank(
        self,
        query: str,
        passages: Iterable[object],
        *,
        top_k: int | None = None,
        instruction: str | None = None,
    ) -> Ranking:
        """As `Client.rank`, with the same errors."""
        asking = self._remote.ask(query, passages, top_k, instruction)
        came: Reply | Lost | None = None
        while True:
            try:
                step = asking.send(came)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            came = await self._done(step)

    async def _done(self, step: Send | Wait) -> Reply | Lost | None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        try:
            async with asyncio.timeout(step.timeout):
                return _reply(
                    await self._http.post(
                        f"{self._remote.url}/rank", content=step.body, timeout=step.timeout
                    )
                )
        except TimeoutError:
            return Lost("TimeoutError", late=True)
        except _httpx().RequestError as error:
            return _lost(error)


def _httpx() -> ModuleType:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError("httpx", "client", "a client of the service") from error
    return httpx


def _reply(response: "httpx.Response") -> Reply:
    return Reply(response.status_code, response.content, response.headers.get("retry-after"))


def _lost(error: "httpx.RequestError") -> Lost:
    # Nothing more of it: the request that it carries holds texts and the key.
    return Lost(type(error).__name__, late=isinstance(error, _httpx().TimeoutException))
