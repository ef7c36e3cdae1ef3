"""What goes around every request and answer: an id, and headers that say how to read it."""

import re
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ID_HEADER = "x-request-id"
# What `serve.proxy` calls the timeout's header, which Ray would start a timer of its own by.
FORWARDED_TIMEOUT_HEADER = "x-reranker-timeout-seconds"
_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z")


class Envelope:
    """ASGI middleware: every request has an id, the caller's own if it is sane, and says it back.

    Handlers find it in `request.state.id`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and its answer back."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        name = _id(scope)
        scope.setdefault("state", {})["id"] = name

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[ID_HEADER] = name
                headers["x-content-type-options"] = "nosniff"
            await send(message)

        return await self._app(scope, receive, marked)


def _id(scope: Scope) -> str:
    given = dict(scope["headers"]).get(ID_HEADER.encode(), b"")
    return given.decode() if _SANE.match(given) else uuid.uuid4().hex
