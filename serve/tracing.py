"""Traces by OpenTelemetry: a span a request, and one for each part of its time.

Spans hold names, counts and times; never a text, never a key. A caller's `traceparent` is gone on
with.
"""

import os
import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reranker.errors import MissingExtraError, SettingsError
from serve.dialects import ALIASES
from serve.request import RerankResponse

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_SERVICE = "reranker"
_PARTS = ("tokenise", "queue", "engine")
_OTLP = "opentelemetry.exporter.otlp.proto.{}.trace_exporter"
_PROTOCOLS = {"http/protobuf": _OTLP.format("http"), "grpc": _OTLP.format("grpc")}


class Traces:
    """ASGI middleware: a span a request for a reranking, its refusals included.

    Handlers leave what they know in `request.state`: `id`, `dialect`, `candidates`, `response`.

    Args:
        app: what is traced.
        tracer: starts the spans.
    """

    def __init__(self, app: ASGIApp, tracer: "Tracer") -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and its answer back."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or scope["method"] != "POST" or path not in ALIASES:
            return await self._app(scope, receive, send)
        span = self._begun(scope, path)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answered(span, message["status"], scope.get("state", {}))
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            span.end()

    def _begun(self, scope: Scope, path: str) -> "Span":
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        return self._tracer.start_span(
            f"POST {path}",
            context=extract(headers),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": "POST", "http.route": path, "url.path": path},
        )

    def _answered(self, span: "Span", status: int, state: Mapping[str, Any]) -> None:
        from opentelemetry.trace import StatusCode

        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        told = {"request_id": state.get("id"), "dialect": state.get("dialect")}
        told["candidates"] = state.get("candidates")
        response: RerankResponse | None = state.get("response")
        if response is not None:
            told |= {"windows": response.windows, "tokens": response.prompt_tokens}
            self._add_parts(span, response.milliseconds)
        span.set_attributes({f"{_SERVICE}.{k}": v for k, v in told.items() if v is not None})

    def _add_parts(self, span: "Span", milliseconds: Mapping[str, float]) -> None:
        """A span a part of the time, one after the other up to now: passes and waits alternate."""
        from opentelemetry.trace import set_span_in_context

        spent = {part: int(1e6 * milliseconds.get(part, 0.0)) for part in _PARTS}
        start = time.time_ns() - sum(spent.values())
        for part, nanoseconds in spent.items():
            child = self._tracer.start_span(part, set_span_in_context(span), start_time=start)
            start += nanoseconds
            child.end(start)


def exporting() -> "TracerProvider":
    """Makes tracers whose spans go where the `OTEL_…` variables say; by OTLP over HTTP if not.

    Raises:
        MissingExtraError: where OpenTelemetry's packages are not installed.
        SettingsError: for an exporter or a protocol that is not known.
    """
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise _missing("opentelemetry-sdk") from None
    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": _SERVICE}))
    provider = TracerProvider(resource=resource)
    for name in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(","):
        if name.strip() != "none":
            provider.add_span_processor(BatchSpanProcessor(_exporter(name.strip())))
    return provider


def _exporter(name: str) -> Any:
    if name == "console":
        return import_module("opentelemetry.sdk.trace.export").ConsoleSpanExporter()
    protocol = (
        os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    if name != "otlp" or protocol not in _PROTOCOLS:
        raise SettingsError(
            f"OTEL_TRACES_EXPORTER asks for {name!r}, and its protocol is {protocol!r}; expected "
            f"otlp, console or none, and for otlp one of {', '.join(_PROTOCOLS)}"
        )
    try:
        return import_module(_PROTOCOLS[protocol]).OTLPSpanExporter()
    except ImportError:
        raise _missing("opentelemetry-exporter-otlp") from None


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(package, "otel", "tracing")
