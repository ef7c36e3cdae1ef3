from typing import Any

import pytest
from starlette.testclient import TestClient

from reranker.errors import MissingExtraError, SettingsError
from serve.errors import Refusal, ServiceError
from serve.http import create_app
from serve.tracing import exporting
from tests.serve.collector import collector
from tests.serve.fake import KEY, FakeService, refusing

pytest.importorskip("opentelemetry.sdk")
SECRET = "xylophone"
BODY = {"query": SECRET, "documents": [SECRET, "b", "c"]}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Traced:
    """An application over a service, and the spans that it has ended."""

    def __init__(self, service: FakeService) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        app = create_app(service, tracer=provider.get_tracer("tests"))
        self.client = TestClient(app, raise_server_exceptions=False)

    @property
    def spans(self) -> list[Any]:
        return list(self._spans.get_finished_spans())


def test_a_request_is_a_span_and_its_parts_are_its_children() -> None:
    traced = Traced(FakeService())
    reply = traced.client.post("/v2/rerank", json=BODY | {"model": SECRET})
    *parts, whole = traced.spans
    assert whole.name == "POST /v2/rerank"
    assert whole.kind.name == "SERVER"
    assert whole.parent is None
    assert dict(whole.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v2/rerank",
        "url.path": "/v2/rerank",
        "http.response.status_code": 200,
        "reranker.request_id": reply.headers["x-request-id"],
        "reranker.dialect": "Cohere v2",
        "reranker.candidates": 3,
        "reranker.windows": 1,
        "reranker.tokens": 21,
    }
    assert [each.name for each in parts] == ["tokenise", "queue", "engine"]
    assert {each.parent.span_id for each in parts} == {whole.context.span_id}
    # As the service was told, in nanoseconds, without a gap.
    assert [each.end_time - each.start_time for each in parts] == [500_000, 0, 2_000_000]
    assert parts[0].end_time == parts[1].start_time
    assert parts[1].end_time == parts[2].start_time
    assert parts[2].end_time <= whole.end_time


def test_a_callers_trace_is_gone_on_with() -> None:
    traced = Traced(FakeService())
    traced.client.post("/rerank", json=BODY, headers={"traceparent": PARENT})
    whole = traced.spans[-1]
    assert f"{whole.context.trace_id:032x}-{whole.parent.span_id:016x}" in PARENT
    assert {each.context.trace_id for each in traced.spans} == {whole.context.trace_id}


def test_a_caller_that_does_not_sample_is_not_traced() -> None:
    traced = Traced(FakeService())
    traced.client.post("/rerank", json=BODY, headers={"traceparent": PARENT[:-1] + "0"})
    assert not traced.spans


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [
        (FakeService(KEY), 401, "UNSET"),
        (refusing(ServiceError(Refusal.QUEUE_FULL, SECRET)), 429, "UNSET"),
        (refusing(ServiceError(Refusal.DEADLINE, SECRET)), 504, "ERROR"),
    ],
)
def test_refusals_are_traced(service: FakeService, status: int, code: str) -> None:
    traced = Traced(service)
    assert traced.client.post("/rank", json={"query": "q", "passages": ["a"]}).status_code == status
    [whole] = traced.spans
    assert whole.attributes["http.response.status_code"] == status
    assert whole.status.status_code.name == code
    assert "reranker.windows" not in whole.attributes


def test_nothing_else_is_traced_and_no_text_or_key() -> None:
    traced = Traced(FakeService(KEY))
    headers = {"authorization": f"Bearer {KEY}", "baggage": f"a={SECRET}"}
    for path in ("/info", "/metrics", "/healthz", f"/{SECRET}"):
        traced.client.get(path, headers=headers)
    traced.client.request(SECRET, "/rerank", headers=headers)
    assert not traced.spans
    traced.client.post(f"/rerank?{SECRET}", json=BODY, headers=headers)
    told = "".join(each.to_json() for each in traced.spans)
    assert told
    assert SECRET not in told
    assert KEY not in told


def test_spans_are_exported_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    with collector() as (port, taken):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=house")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=tests")
        provider = exporting()
        with provider.get_tracer("tests").start_as_current_span("a span"):
            pass
        provider.shutdown()
    [(path, headers, body)] = taken
    assert (path, headers["x-tenant"]) == ("/v1/traces", "house")
    [found] = ExportTraceServiceRequest.FromString(body).resource_spans
    attributes = {each.key: each.value.string_value for each in found.resource.attributes}
    assert attributes["service.name"] == "reranker"
    assert attributes["deployment.environment.name"] == "tests"
    assert [span.name for span in found.scope_spans[0].spans] == ["a span"]


def test_a_name_that_is_given_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "house")
    assert exporting().resource.attributes["service.name"] == "house"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
)
def test_what_cannot_be_exported_by_is_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=rf"'{value}'.*expected otlp, console or none"):
        exporting()


@pytest.mark.parametrize("package", ["opentelemetry.sdk.trace", "opentelemetry.exporter.otlp"])
def test_packages_that_are_not_there_are_told(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    import sys

    gone = [name for name in sys.modules if name.startswith(package)]
    for name in {*gone, package, f"{package}.proto.http.trace_exporter"}:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reranker\[otel\]'"):
        exporting()
