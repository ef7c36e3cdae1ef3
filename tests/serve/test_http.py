import json
import logging
import socket
import time

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from serve.dialects import ALIASES
from serve.errors import Refusal, ServiceError
from serve.http import PUBLIC, create_app
from serve.settings import Limits
from tests.serve.fake import DOCUMENTS, KEY, QUERY, FakeService, refusing
from tests.serve.server import HOST, serving

BODY = {"query": QUERY, "documents": DOCUMENTS}
SMALL = Limits(max_body_bytes=1000, max_documents=4)


def client_of(service=None, **options):
    return TestClient(create_app(service or FakeService(), **options))


@pytest.fixture
def client():
    return client_of()


def test_every_route_is_guarded_or_public_on_purpose(tmp_path):
    (tmp_path / "index.html").write_text("page")
    app = create_app(FakeService(KEY), page=tmp_path)
    unguarded = set()
    for route in app.routes:
        # Anything but a plain route could hide others.
        guarded = isinstance(route, APIRoute) and any(
            "guard" in (each.call.__qualname__ if each.call else "")
            for each in route.dependant.dependencies
        )
        if not guarded:
            unguarded.add(route.path)
    assert unguarded == PUBLIC | {"/"}
    assert set(ALIASES) | {"/info", "/metrics"} <= {route.path for route in app.routes}


def test_further_paths_are_guarded_too():
    router = APIRouter()

    @router.get("/more")
    def more() -> str:
        return "more"

    client = client_of(FakeService(KEY), routers=[router])
    assert client.get("/more").status_code == 401
    assert client.get("/more", headers={"x-api-key": KEY}).status_code == 200


@pytest.mark.parametrize("path", [*ALIASES, "/info", "/metrics"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer no"}, {"x-api-key": "no"}])
def test_without_a_key_no_path_answers(path, headers):
    service = FakeService(KEY)
    method = "POST" if path in ALIASES else "GET"
    reply = client_of(service).request(method, path, headers=headers, json=BODY)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json()["message"] == reply.json()["detail"]
    assert not service.asked
    assert 'outcome="unauthorised"} 1.0' in service.refusals()


@pytest.mark.parametrize(
    "headers", [{"authorization": f"Bearer {KEY}"}, {"authorization": KEY}, {"x-api-key": KEY}]
)
def test_a_key_opens_in_any_header_that_clients_use(headers):
    client = client_of(FakeService(KEY))
    assert client.post("/rerank", json=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize("path", sorted(PUBLIC))
def test_public_paths_need_no_key(path):
    assert client_of(FakeService(KEY)).get(path).status_code == 200


def test_a_key_is_asked_for_before_the_body_is_read():
    client = client_of(FakeService(KEY, limits=SMALL))
    assert client.post("/rerank", content=b"x" * 5000).status_code == 401


@pytest.mark.parametrize("path", ALIASES)
def test_a_malformed_body_is_refused_on_every_path(path, client):
    reply = client.post(path, content=b"{")
    assert reply.status_code == 400
    assert {"message", "detail", "error"} <= set(reply.json())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"query": None}, "query: expected a string"),
        ({"documents": "secret"}, "documents: Input should be a valid list"),
        ({"documents": ["a", 3]}, r"documents[1]: expected a string or an object"),
        ({"documents": [{"secret": 1}]}, "documents[0]: found an object without a string"),
        ({"documents": [{"a": 1}], "rank_fields": ["secret"]}, "none of the rank_fields"),
        ({"documents": [{"text": "a", "title": 3}]}, "documents[0]"),
        ({"top_n": -1}, "top_n: Input should be greater than or equal to 0"),
        ({"top_n": 2.5}, "top_n: Input should be a valid integer"),
        ({"top_n": True}, "top_n: Input should be a valid integer"),
        ({"top_n": "secret"}, "top_n: Input should be a valid integer"),
        ({"top_n": 10**400}, "top_n"),
        ({"timeout": 0}, "timeout: Input should be greater than 0"),
        ({"timeout": 10**400}, "timeout"),
        ({"return_documents": "secret"}, "return_documents: Input should be a valid boolean"),
        ({"documents": ["a"] * 5}, "has 5 elements and may have 4"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not_repeated(change, said):
    service = FakeService(limits=SMALL)
    reply = client_of(service).post("/v1/rerank", json={**BODY, **change})
    assert reply.status_code == 422
    assert said in reply.json()["message"]
    assert "secret" not in reply.text
    assert not service.asked
    assert 'outcome="unprocessable"} 1.0' in service.refusals()


def test_a_missing_field_is_named(client):
    assert "query: Field required" in client.post("/rank", json={}).json()["message"]


def test_unknown_fields_are_ignored(client):
    assert client.post("/v2/rerank", json={**BODY, "foo": [{}], "top_k": "x"}).status_code == 200


@pytest.mark.parametrize("path", ALIASES)
def test_a_large_body_is_refused(path):
    reply = client_of(FakeService(limits=SMALL)).post(path, content=b" " * 1001)
    assert reply.status_code == 413
    assert "1000 bytes" in reply.json()["message"]
    assert reply.headers["connection"] == "close"


def test_a_body_of_unknown_length_is_counted_as_it_comes():
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 100
            yield b" " * 100

    service = FakeService(limits=SMALL)
    with serving(create_app(service)) as port, socket.create_connection((HOST, port)) as wire:
        wire.sendall(b"POST /rerank HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        chunks = endless()
        while read < 1100:
            wire.sendall(b"64\r\n" + next(chunks) + b"\r\n")
        assert wire.recv(100).startswith(b"HTTP/1.1 413")
    assert read < 2000
    assert 'outcome="body_too_large"} 1.0' in service.refusals()


def test_an_announced_length_is_refused_before_the_body_is_sent():
    app = create_app(FakeService(limits=SMALL))
    with serving(app) as port, socket.create_connection((HOST, port), timeout=5) as wire:
        wire.sendall(b"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n")
        assert wire.recv(100).startswith(b"HTTP/1.1 413")


def test_limits_that_change_are_in_force_at_once():
    service = FakeService()
    client = client_of(service)
    assert client.post("/rerank", json=BODY).status_code == 200
    service.limits = Limits(max_documents=2)
    assert client.post("/rerank", json=BODY).status_code == 422


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_has_its_status_and_a_body(refusal):
    service = refusing(ServiceError(refusal, "why", retry_after=0.2))
    reply = client_of(service).post("/v1/rerank", json=BODY)
    assert reply.status_code == refusal.value
    assert reply.json()["message"] == "why"
    assert reply.headers["retry-after"] == "1"
    # The service was asked, and counts for itself.
    assert service.refusals() == ""


def test_an_error_nobody_foresaw_is_a_500_without_detail(caplog):
    service = refusing(ValueError("secret"))
    reply = client_of(service).post("/v1/rerank", json=BODY, headers={"x-request-id": "mine"})
    assert reply.status_code == 500
    assert "secret" not in reply.text + caplog.text
    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert (record.fields["id"], record.fields["error"]) == ("mine", "ValueError")


def test_a_refusal_is_logged_with_its_id_and_without_its_texts(caplog):
    caplog.set_level(logging.INFO, "serve.http")
    client_of().post("/rerank", json={"query": "secret"}, headers={"x-request-id": "mine"})
    [record] = [each for each in caplog.records if each.name == "serve.http"]
    assert record.fields == {"id": "mine", "outcome": "unprocessable", "path": "/rerank"}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/no", 404), ("POST", "/no", 404), ("GET", "/rank", 405)]
)
def test_unknown_paths_and_methods_are_answered_in_json(client, method, path, status):
    reply = client.request(method, path)
    assert reply.status_code == status
    assert reply.json()["message"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("mine-1.2:3_4", True), ("", False), ("a b", False), ("é", False), ("x" * 129, False)],
)
def test_a_sane_request_id_is_kept(sent, kept):
    service = FakeService()
    reply = client_of(service).post(
        "/rerank", json=BODY, headers={"x-request-id": sent.encode("utf-8")}
    )
    found = reply.headers["x-request-id"]
    assert found == service.asked[0].id == reply.json()["id"]
    assert (found == sent) is kept
    assert found


def test_refusals_have_an_id_too(client):
    assert client.post("/rerank", content=b"").headers["x-request-id"]
    assert client.get("/no").headers["x-request-id"]


@pytest.mark.parametrize(
    ("body", "header", "timeout"),
    [(None, None, None), (3, None, 3), (None, "2.5", 2.5), (3, "2.5", 2.5), (1, "2.5", 1)],
)
def test_the_shorter_timeout_counts(body, header, timeout):
    service = FakeService()
    headers = {} if header is None else {"x-request-timeout-seconds": header}
    client_of(service).post("/rerank", json={**BODY, "timeout": body}, headers=headers)
    assert service.asked[0].timeout == timeout


@pytest.mark.parametrize("header", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_timeout_header_that_is_none_is_refused(client, header):
    reply = client.post("/rerank", json=BODY, headers={"x-request-timeout-seconds": header})
    assert reply.status_code == 422
    assert "x-request-timeout-seconds" in reply.json()["message"]


@pytest.mark.parametrize("name", ["x-request-timeout-seconds", "x-reranker-timeout-seconds"])
def test_a_timeout_header_is_read_before_the_body(name):
    app = create_app(FakeService())
    head = f"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n{name}: 0\r\n\r\n"
    with serving(app) as port, socket.create_connection((HOST, port), timeout=5) as wire:
        wire.sendall(head.encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 422")


@pytest.mark.parametrize(("default", "header"), [(0.2, None), (0.2, "9"), (60.0, "0.2")])
def test_a_body_that_dribbles_is_not_waited_for(default, header):
    service = FakeService(limits=Limits(default_timeout_s=default))
    told = "" if header is None else f"x-request-timeout-seconds: {header}\r\n"
    head = f"POST /v1/rerank HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n{told}\r\n"
    app = create_app(service)
    with serving(app) as port, socket.create_connection((HOST, port), timeout=5) as wire:
        wire.sendall(head.encode() + b"{")
        answer = b"".join(iter(lambda: wire.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 504")
    assert b"connection: close" in answer.lower()
    assert b"had not come whole after 0.2 s" in answer
    assert not service.asked
    assert 'outcome="deadline"} 1.0' in service.refusals()


def test_the_time_that_the_body_took_counts():
    service = FakeService()
    body = json.dumps(BODY).encode()
    head = b"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with (
        serving(create_app(service)) as port,
        socket.create_connection((HOST, port), timeout=5) as wire,
    ):
        wire.sendall(head + body[:5])
        time.sleep(0.3)
        sent = time.monotonic()
        wire.sendall(body[5:])
        assert wire.recv(100).startswith(b"HTTP/1.1 200")
    assert service.asked[0].arrived < sent - 0.1


@pytest.mark.parametrize("when", ["in the answer", "in the body"])
def test_a_client_that_leaves_is_noticed(when):
    service = FakeService(seconds=30)
    body = json.dumps(BODY).encode()
    head = b"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with serving(create_app(service)) as port:
        with socket.create_connection((HOST, port)) as wire:
            wire.sendall(head + (body if when == "in the answer" else body[:5]))
            time.sleep(0.2)
        noticed = lambda: service.cancelled or "client_gone" in service.refusals()  # noqa: E731
        for _ in range(100):
            if noticed():
                break
            time.sleep(0.02)
    assert service.cancelled == (when == "in the answer")
    # The service counts what it was asked.
    assert ("client_gone" in service.refusals()) == (when == "in the body")


def test_health_and_readiness():
    service = FakeService()
    client = client_of(service)
    assert client.get("/healthz").json() == {"status": "healthy"}
    assert client.get("/readyz").json() == {"status": "ready"}
    service.ready = service.healthy = False
    for path in ("/healthz", "/readyz"):
        reply = client.get(path)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")


def test_info_tells_the_service_and_the_paths(client):
    info = client.get("/info").json()
    assert info["model"] == "fake"
    assert info["limits"]["max_documents"] == Limits().max_documents
    assert info["paths"]["/v2/rerank"] == ["Cohere v2"]


def test_metrics_are_prometheus(client):
    client.post("/rerank", json={})
    reply = client.get("/metrics")
    assert 'reranker_requests_total{outcome="unprocessable"} 1.0' in reply.text
    assert reply.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("origins", [(), ("https://here.example",)])
def test_cross_origin_calls_are_off_unless_allowed(origins):
    client = client_of(origins=origins)
    asked = {"origin": "https://here.example", "access-control-request-method": "POST"}
    reply = client.options("/rerank", headers=asked)
    assert (reply.status_code == 200) is bool(origins)
    reply = client.post("/rerank", json=BODY, headers={"origin": "https://here.example"})
    assert ("access-control-allow-origin" in reply.headers) is bool(origins)


def test_the_page_is_served_where_there_is_one(tmp_path, client):
    assert client_of(page=tmp_path / "none").get("/").status_code == 404
    (tmp_path / "index.html").write_text("<title>page</title>")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "page.js").write_text("// page")
    served = client_of(FakeService(KEY), page=tmp_path)
    assert served.get("/").text == "<title>page</title>"
    assert "default-src 'self'" in served.get("/").headers["content-security-policy"]
    assert served.get("/parts/page.js").headers["content-type"].startswith("text/javascript")
    assert served.get("/parts/../../fake.py").status_code == 404
    assert served.post("/").status_code == 405


def test_the_documentation_needs_nothing_from_elsewhere(client):
    reply = client.get("/docs")
    assert "://" not in reply.text
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    schema = client.get("/openapi.json").json()
    assert set(ALIASES) <= set(schema["paths"])
    assert "$defs" not in json.dumps(schema)
