"""Answers as they go out: JSON, refusals in the words of a dialect, and their headers."""

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from serve.dialects.faults import Fault, with_string
from serve.errors import Refusal, ServiceError
from serve.request import RerankResponse

_LONGEST_HEADER = 1000


class JsonResponse(Response):
    """JSON in ASCII, so that a lone surrogate that is echoed breaks nothing."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def refuse(request: Request, error: Exception) -> Response:
    """Answer an error in the words of the dialect that the request was written in."""
    write = getattr(request.state, "fault", with_string)
    if isinstance(error, HTTPException):
        return JsonResponse(
            write(Fault(error.status_code, error.detail)), error.status_code, error.headers
        )
    assert isinstance(error, ServiceError)
    fault = Fault(error.status, str(error))
    headers = _headers_of(error)
    if error.refusal is Refusal.BODY_TOO_LARGE or getattr(request.state, "unread", False):
        # What is left of the body is not read, so nothing else can follow on this connection.
        headers["connection"] = "close"
    return JsonResponse(write(fault), error.status, headers)


def _headers_of(error: ServiceError) -> dict[str, str]:
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    if error.refusal is Refusal.UNAUTHORISED:
        headers["www-authenticate"] = "Bearer"
    return headers


def headers_of(response: RerankResponse) -> dict[str, str]:
    """`Server-Timing`, and the warnings for dialects whose bodies have no place for them."""
    headers = {"server-timing": server_timing(response.milliseconds)}
    if response.warnings:
        text = "; ".join(response.warnings)[:_LONGEST_HEADER]
        headers["x-warnings"] = "".join(c if " " <= c <= "~" else "?" for c in text)
    return headers


def server_timing(milliseconds: Mapping[str, float]) -> str:
    """Parts of the latency, as browsers' developer tools show them."""
    return ", ".join(f"{name};dur={spent:.3f}" for name, spent in milliseconds.items())
