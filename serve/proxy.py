"""What stands in Ray's HTTP proxy, before every replica: Ray's own answers in the service's words.

Ray answers by itself, in plain text or with nothing at all, where a replica died, no replica is
there, its queue is full or its time is up. Clients of a reranking service read JSON. And Ray
obeys headers of any client's that are no client's matter: its timer would cancel, as if the client
had left, what the service itself answers 504, or be switched off.

Ray's proxies call `CALLBACK` where their environment names it in `CALLBACK_VARIABLE`.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.answering import refuse
from serve.dialects import ALIASES
from serve.dialects.faults import with_string
from serve.envelope import FORWARDED_TIMEOUT_HEADER, ID_HEADER
from serve.errors import Refusal, ServiceError
from serve.openapi import TIMEOUT_HEADER
from serve.work import too_late

CALLBACK_VARIABLE = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
CALLBACK = "serve.proxy:middlewares"
# Ray's own paths, which its operators' tools read.
_RAY = "/-/"
# Has Ray go on with work whose client has left.
_STAY_HEADER = "x-request-disconnect-disabled"

_Refusal = ServiceError | HTTPException


def middlewares() -> list[Middleware]:
    """What Ray is to put around its proxy."""
    return [Middleware(Front)]


class Front:
    """ASGI middleware: what Ray answers by itself is answered in JSON, with `Retry-After`.

    A request is never sent to another replica by itself: one that brought a replica down would
    bring down the next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and its answer back."""
        if scope["type"] != "http" or scope["path"].startswith(_RAY):
            await self._app(scope, receive, send)
            return
        # Ray ends without an answer where the replica ended without one.
        refusal: _Refusal | None = _lost()

        async def translated(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start":
                refusal = _refusal(message, scope["path"])
                _mark_once(message)
            if refusal is None:
                await send(message)

        await self._app(_forwarded(scope), receive, translated)
        if refusal is not None:
            request = Request({**scope, "state": {"fault": _fault(scope["path"])}})
            await refuse(request, refusal)(scope, receive, send)


def _forwarded(scope: Scope) -> Scope:
    """A request without the headers that Ray would obey; its timeout is left to the service."""
    headers = MutableHeaders(raw=list(scope["headers"]))
    if (seconds := headers.get(TIMEOUT_HEADER)) is not None:
        headers[FORWARDED_TIMEOUT_HEADER] = seconds
    del headers[TIMEOUT_HEADER]
    del headers[_STAY_HEADER]
    return {**scope, "headers": headers.raw}


def _refusal(start: Message, path: str) -> _Refusal | None:
    """What an answer of Ray's own says; None for one of a replica's, which are never plain text."""
    headers = Headers(raw=start["headers"])
    if not headers.get("content-type", "").startswith("text/plain"):
        return None
    seconds = float(headers.get("retry-after", 1))
    answers: dict[int, _Refusal] = {
        404: _absent() if _alias(path) else _unknown(),
        408: too_late(),
        429: _full(seconds),
        503: _absent(),
    }
    return answers.get(start["status"])


def _lost() -> ServiceError:
    return ServiceError(
        Refusal.NOT_READY,
        "the replica that had this request ended before the answer was ready; send it again",
        retry_after=1.0,
    )


def _absent() -> ServiceError:
    return ServiceError(
        Refusal.NOT_READY,
        "no replica is running here; come again, or ask the operator whether this path is right",
        retry_after=5.0,
    )


def _unknown() -> HTTPException:
    return HTTPException(
        404,
        "no application is at this path; check the path and what the service is mounted at, or "
        "come again if it is being started",
    )


def _full(seconds: float) -> ServiceError:
    return ServiceError(
        Refusal.QUEUE_FULL, "too many requests wait for a replica", retry_after=seconds
    )


def _fault(path: str) -> object:
    """What writes a refusal on this path, whatever prefix the application is mounted at."""
    known = _alias(path)
    return with_string if known is None else ALIASES[known][-1].fault


def _alias(path: str) -> str | None:
    """The path of a reranking that this one ends in, the longest."""
    return max((each for each in ALIASES if path.endswith(each)), key=len, default=None)


def _mark_once(start: Message) -> None:
    """Keep one request id: the replica's and Ray's are the same."""
    headers = MutableHeaders(raw=start["headers"])
    if name := headers.get(ID_HEADER):
        headers[ID_HEADER] = name
    start["headers"] = headers.raw
