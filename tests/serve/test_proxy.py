"""What stands in Ray's proxy, over proxies that are made up."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.envelope import FORWARDED_TIMEOUT_HEADER
from serve.proxy import Front, middlewares


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Ray's proxy, where a replica ended without an answer."""


def ask(
    app: ASGIApp, path: str = "/v2/rerank", headers: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": headers,
        "query_string": b"",
    }
    asyncio.run(Front(app)(scope, receive, send))
    start, *bodies = sent
    found = [(name.decode(), value.decode()) for name, value in start["headers"]]
    assert len(dict(found)) == len(found)
    return start["status"], dict(found), b"".join(each["body"] for each in bodies)


def test_a_replica_that_was_lost() -> None:
    status, headers, body = ask(silent)
    assert (status, headers["retry-after"]) == (503, "1")
    assert headers["content-type"] == "application/json"
    assert "send it again" in json.loads(body)["message"]


@pytest.mark.parametrize("prefix", ["", "/search"])
def test_a_path_that_is_nowhere_stays_so_but_a_rerankings(prefix: str) -> None:
    nowhere = PlainTextResponse("Path '/' not found. Ping http://.../-/routes.", 404)
    status, headers, body = ask(nowhere, f"{prefix}/nonesuch")
    assert (status, headers.get("retry-after")) == (404, None)
    assert "check the path" in json.loads(body)["message"]
    status, headers, body = ask(nowhere, f"{prefix}/v1/rerank")
    assert (status, headers["retry-after"]) == (503, "5")
    assert "whether this path is right" in json.loads(body)["message"]


def test_rays_own_headers_do_not_reach_it() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])

    given = [
        (b"host", b"x"),
        (b"x-request-timeout-seconds", b"2"),
        (b"x-request-disconnect-disabled", b"?1"),
    ]
    headers = list(given)
    ask(app, headers=headers)
    assert seen == [(b"host", b"x"), (FORWARDED_TIMEOUT_HEADER.encode(), b"2")]
    assert headers == given


@pytest.mark.parametrize(
    ("answer", "status", "retry_after"),
    [
        (PlainTextResponse("Request 1 timed out after 5s.", 408), 504, None),
        (PlainTextResponse("full", 429, {"retry-after": "7"}), 429, "7"),
        (PlainTextResponse("full", 429), 429, "1"),
        (PlainTextResponse("Deployment is unavailable.", 503), 503, "5"),
        (PlainTextResponse("Path '/' not found.", 404), 503, "5"),
    ],
)
def test_what_ray_answers_by_itself(answer: ASGIApp, status: int, retry_after: str | None) -> None:
    found, headers, body = ask(answer)
    assert (found, headers.get("retry-after")) == (status, retry_after)
    assert json.loads(body)["message"]
    assert int(headers["content-length"]) == len(body)


def test_a_replicas_own_answers_pass_as_they_are() -> None:
    for status in (200, 404, 429, 503, 504):
        own = JSONResponse({"own": True}, status, {"retry-after": "3", "x-request-id": "a"})
        own.raw_headers.append((b"X-Request-ID", b"a"))
        found, headers, body = ask(own)
        assert (found, headers["retry-after"], headers["x-request-id"]) == (status, "3", "a")
        assert json.loads(body) == {"own": True}
    assert ask(PlainTextResponse("reranker_windows_total 1"), "/metrics")[2].endswith(b" 1")


def test_it_speaks_the_paths_dialect_wherever_the_application_is_mounted() -> None:
    for prefix in ("", "/search"):
        error = json.loads(ask(silent, f"{prefix}/v1/rerank")[2])["error"]
        assert error["type"] == "ServiceUnavailableError"
        assert isinstance(json.loads(ask(silent, f"{prefix}/v2/rerank")[2])["error"], str)
    assert json.loads(ask(silent, "/elsewhere")[2])["message"]


def test_rays_own_paths_are_left_alone() -> None:
    status, _, body = ask(PlainTextResponse("draining", 503), "/-/healthz")
    assert (status, body) == (503, b"draining")


def test_what_is_no_http_passes() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    asyncio.run(Front(app)({"type": "websocket"}, None, None))  # type: ignore[arg-type]
    assert seen == ["websocket"]


# Ray warns of itself.
@pytest.mark.filterwarnings("ignore")
def test_ray_takes_it() -> None:
    pytest.importorskip("ray")
    from ray.serve._private.http_util import validate_http_proxy_callback_return

    [middleware] = validate_http_proxy_callback_return(middlewares())
    assert middleware.cls is Front
