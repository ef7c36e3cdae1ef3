"""The endpoint of a reranking: a body in one dialect in, an answer in the same out."""

import logging
import math
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

    It leaves in `request.state` what a refusal has to know: `fault`, which writes it, and
    `asked`, set once the service counts the request itself; and what a trace tells: `dialect`,
    `candidates` and `response`.
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
    found = read_object(await request.body(), longest=service.limits.max_documents)
    dialect = spoken(dialects, found)
    request.state.fault, request.state.dialect = dialect.fault, dialect.name
    body = dialect.read(found)
    asked = replace(body.request(), id=request.state.id)
    asked = replace(asked, timeout=_sooner(asked.timeout, request.headers.get(TIMEOUT_HEADER)))
    request.state.asked, request.state.candidates = True, len(asked.passages)
    response = await while_present(request, service.rerank(asked))
    request.state.response = response
    return JsonResponse(dialect.write(body, response), headers=headers_of(response))


def _sooner(timeout: float | None, header: str | None) -> float | None:
    """The shorter of the two timeouts, in seconds."""
    if header is None:
        return timeout
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST:
        raise ServiceError(
            Refusal.UNPROCESSABLE,
            f"{TIMEOUT_HEADER}: expected a number of seconds above 0, up to {LONGEST:.0f}",
        )
    return seconds if timeout is None else min(seconds, timeout)
