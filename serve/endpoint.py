"""The endpoint of a reranking: a body in one dialect in, an answer in the same out."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from serve.answering import JsonResponse, headers_of
from serve.body import read_object
from serve.dialects import spoken
from serve.dialects.dialect import Dialect
from serve.dialects.fields import LONGEST
from serve.envelope import FORWARDED_TIMEOUT_HEADER
from serve.errors import Refusal, ServiceError
from serve.keys import ApiKeys
from serve.logs import failure
from serve.metrics import Metrics
from serve.openapi import TIMEOUT_HEADER
from serve.presence import left, while_present
from serve.request import RerankRequest, RerankResponse
from serve.settings import Limits

log = logging.getLogger(__name__)


class Service(Protocol):
    """What is asked to rank, as far as HTTP needs it."""

    keys: ApiKeys
    metrics: Metrics

    @property
    def ready(self) -> bool:
        """Whether requests are taken in."""

    @property
    def healthy(self) -> bool:
        """Whether it can still answer."""

    @property
    def limits(self) -> Limits:
        """The limits in force."""

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        """Rank, or raise `ServiceError`; counts what it answers and what it refuses."""

    def info(self) -> Mapping[str, object]:
        """What it is and what it takes, or raise `ServiceError`."""


def endpoint(
    service: Service, dialects: tuple[Dialect[Any], ...]
) -> Callable[[Request], Awaitable[Response]]:
    """A handler for a path where these dialects are spoken.

    It leaves in `request.state` what a refusal has to know: `fault`, which writes it, `asked`,
    set once the service counts the request itself, and `unread`, set where the body did not come
    in time; and what a trace tells: `dialect`, `candidates` and `response`.
    """

    async def rerank(request: Request) -> Response:
        request.state.fault = dialects[-1].fault
        try:
            return await _answered(service, dialects, request)
        except ServiceError:
            raise
        except ClientDisconnect:
            raise left() from None
        except Exception as error:
            failure(log, "request failed", error, id=request.state.id)
            raise ServiceError(
                Refusal.FAILED, "this request failed here; the service's log has its id"
            ) from None

    return rerank


async def _answered(
    service: Service, dialects: tuple[Dialect[Any], ...], request: Request
) -> Response:
    arrived, limits, header = time.monotonic(), service.limits, _header(request)
    text = await _body(request, _sooner(header, limits.default_timeout_s))
    found = read_object(text, longest=limits.max_documents)
    dialect = spoken(dialects, found)
    request.state.fault, request.state.dialect = dialect.fault, dialect.name
    body = dialect.read(found)
    asked = replace(body.request(), id=request.state.id, arrived=arrived)
    if header is not None:
        asked = replace(asked, timeout=_sooner(asked.timeout, header))
    request.state.asked, request.state.candidates = True, len(asked.passages)
    response = await while_present(request, service.rerank(asked))
    request.state.response = response
    return JsonResponse(dialect.write(body, response), headers=headers_of(response))


async def _body(request: Request, seconds: float) -> bytes:
    """The body, or a refusal where it takes longer than that to come."""
    try:
        async with asyncio.timeout(seconds):
            return await request.body()
    except TimeoutError:
        request.state.unread = True
        raise ServiceError(
            Refusal.DEADLINE,
            f"the body had not come whole after {seconds:g} s; send it faster, or send less",
        ) from None


def _sooner(timeout: float | None, other: float) -> float:
    """The shorter of two timeouts, in seconds."""
    return other if timeout is None else min(timeout, other)


def _header(request: Request) -> float | None:
    """The timeout that the headers name, in seconds."""
    headers = request.headers
    given = headers.get(FORWARDED_TIMEOUT_HEADER, headers.get(TIMEOUT_HEADER))
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST:
        raise ServiceError(
            Refusal.UNPROCESSABLE,
            f"{TIMEOUT_HEADER}: expected a number of seconds above 0, up to {LONGEST:.0f}",
        )
    return seconds
