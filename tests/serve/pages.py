"""The page as a browser sees it: over the tiny model, or over a service that is made up."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http import create_app
from serve.samples import samples_router
from serve.service import Service
from serve.settings import ServeSettings
from tests.serve.house import Shelf
from tests.serve.server import HOST, serving

FOUND = {"d1": "Swifts sleep on the wing.", "d2": "Bats sleep upside down.", "d3": "Stones lie."}


class StrictPolicy:
    """ASGI middleware: the strictest policy, under which the page has to work."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["content-security-policy"] = "default-src 'self'"
            await send(message)

        await self._app(scope, receive, strict)


@contextmanager
def paged(service: Any, collection: Path | None = None) -> Iterator[str]:
    """The address of the page over a service."""
    app = create_app(service, routers=[samples_router(service, collection)])
    app.add_middleware(StrictPolicy)
    with serving(app) as port:
        yield f"http://{HOST}:{port}"


@contextmanager
def tiny_service(folder: Path) -> Iterator[str]:
    """The address of the page over the tiny model and a collection of three passages."""
    rows = [{"_id": name, "title": "", "text": text} for name, text in FOUND.items()]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "sleep"}\n')
    service = Service(ServeSettings(adapters={"other": "1"}), load=Shelf())
    _run(service.start())
    try:
        with paged(service, folder) as address:
            yield address
    finally:
        _run(service.stop(10.0))


def _run(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run in another thread: this one's loop is the browser's."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


@contextmanager
def opened(context: Any, address: str) -> Iterator[tuple[Any, list[str]]]:
    """A page, and what its console says; nothing may be asked of another host."""
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(f"uncaught: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator("#found:not(:empty)").wait_for()
    yield page, said
    page.close()
    assert asked
    assert all(url.startswith(f"{address}/") for url in asked)


def ask(page: Any, query: str, passages: str) -> None:
    """Fill the form."""
    page.get_by_label("Query").fill(query)
    page.get_by_label("Passages", exact=True).fill(passages)


def rerank(page: Any) -> dict[str, Any]:
    """Press the button, wait for the ranking, and return the service's answer."""
    with page.expect_response("**/rank") as reply:
        page.get_by_role("button", name="Rerank").click()
    page.get_by_role("heading", name="Ranking", exact=True).wait_for()
    found: dict[str, Any] = reply.value.json()
    return found


def texts(page: Any, section: str = "#ranking") -> list[str]:
    """The passages of a table, in its order, without the mark of those that were cut."""
    found = page.locator(f"{section} button.text > span").all_text_contents()
    return [text.removeprefix("cut ") for text in found]
