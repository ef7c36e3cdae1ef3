"""Both clients against the service over the tiny model."""

import asyncio
import builtins
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from reranker import AsyncClient, Client
from reranker.errors import (
    DeadlineError,
    InputError,
    MissingExtraError,
    RemoteError,
    UnreachableError,
)
from reranker.passage import Passage
from reranker.ranking import Ranking
from serve.errors import Refusal, ServiceError
from serve.http import create_app
from serve.request import RerankRequest, RerankResponse
from serve.service import Service
from serve.settings import ServeSettings
from tests.serve.cluster import free_port
from tests.serve.fake import FakeService
from tests.serve.house import Shelf, tiny_reranker
from tests.serve.server import HOST, serving

KEY = "a key of the tests"
QUERY = "which number?"
PASSAGES = [
    "passage number one",
    {"text": "passage number two", "id": 2, "title": "Two"},
    Passage("passage number three", id="three"),
    *(f"passage number {n}" for n in range(10, 16)),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    service = Service(ServeSettings(api_keys=(KEY,), adapters={"other": "7"}), load=Shelf())
    asyncio.run(service.start())
    try:
        with serving(create_app(service)) as port:
            yield f"http://{HOST}:{port}"
    finally:
        asyncio.run(service.stop(10.0))


def asked_async(
    address: str, *arguments: Any, key: str = KEY, timeout: float = 60.0, **options: Any
) -> Ranking:
    async def ask() -> Ranking:
        async with AsyncClient(address, api_key=key, timeout=timeout) as client:
            return await client.rank(*arguments, **options)

    return asyncio.run(ask())


def asked(
    address: str, *arguments: Any, key: str = KEY, timeout: float = 60.0, **options: Any
) -> Ranking:
    with Client(address, api_key=key, timeout=timeout) as client:
        return client.rank(*arguments, **options)


WAYS = pytest.mark.parametrize("ask", [asked, asked_async])


@WAYS
@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"instruction": "prefer odd ones"}])
def test_the_ranking_is_that_of_the_library(address: str, ask: Any, options: Any) -> None:
    here = tiny_reranker().rank(QUERY, PASSAGES, **options)
    there = ask(address, QUERY, PASSAGES, **options)
    assert [(p.index, p.id, p.rank, p.passage) for p in there] == [
        (p.index, p.id, p.rank, p.passage) for p in here
    ]
    assert [p.score for p in there] == pytest.approx([p.score for p in here], abs=1e-5)


def test_a_model_of_another_name(address: str) -> None:
    with Client(address, api_key=KEY, model="other") as client:
        there = client.rank(QUERY, PASSAGES)
    here = tiny_reranker(seed=7).rank(QUERY, PASSAGES)
    assert [p.index for p in there] == [p.index for p in here]


@WAYS
def test_nothing_of_texts_and_keys_is_logged_or_told(
    address: str, ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ask(address, QUERY, ["a secret text"])
    with pytest.raises(RemoteError, match=r"401.*api_key=") as raised:
        ask(address, QUERY, ["a secret text"], key="another key")
    told = caplog.text + str(raised.value) + repr(Client(address, api_key=KEY))
    assert not any(secret in told for secret in (QUERY, "secret text", KEY, "another key"))


@WAYS
def test_input_errors_are_those_of_the_library(address: str, ask: Any) -> None:
    with pytest.raises(InputError, match="blank"):
        ask(address, " ", PASSAGES)


class Refusing(FakeService):
    """Refuses the first requests."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        full = ServiceError(Refusal.QUEUE_FULL, "much waits", retry_after=1.0)
        self.error = full if len(self.asked) < self.times else None
        return await super().rerank(request)


@WAYS
def test_a_busy_service_is_asked_again(ask: Any) -> None:
    service = Refusing(1)
    with serving(create_app(service)) as port:
        ranking = ask(f"http://{HOST}:{port}", QUERY, ["number?", "which number?"])
    assert [p.index for p in ranking] == [1, 0]
    assert [request.raw_scores for request in service.asked] == [True, True]
    assert service.asked[1].timeout < service.asked[0].timeout - 1.0  # type: ignore[operator]


@WAYS
def test_the_deadline_holds(ask: Any) -> None:
    late = pytest.raises(DeadlineError, match="longer timeout=")
    with serving(create_app(FakeService(seconds=30))) as port, late:
        ask(f"http://{HOST}:{port}", QUERY, ["a"], timeout=0.2)


@WAYS
def test_an_address_where_nothing_listens(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reranker.remote._pause", lambda *_: 0.0)
    with pytest.raises(UnreachableError, match=r"ConnectError.*tried 3 times"):
        ask(f"http://{HOST}:{free_port()}", QUERY, ["a"])


def test_without_httpx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "httpx":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'reranker\[client\]'"):
        Client()


def test_a_client_needs_no_torch() -> None:
    code = "import sys, reranker; reranker.Client(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
