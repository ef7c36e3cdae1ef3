"""Hostile requests on the raw socket: the server stays up, and answers each of them.

`RERANKER_FUZZ=20000` sends as many.
"""

import json
import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPResponse

from serve.dialects import ALIASES
from serve.http import create_app
from serve.settings import Limits
from tests.serve.fake import BEST_FIRST, DOCUMENTS, QUERY, FakeService
from tests.serve.server import HOST, serving

REQUESTS = int(os.environ.get("RERANKER_FUZZ", "400"))
LIMITS = Limits(max_body_bytes=20_000, max_documents=50)
KEYS = sorted({name for each in ALIASES.values() for one in each for name in one.body.model_fields})
PATHS = [*ALIASES, "/", "/info", "/no", "/v1/rerank/", "//", "/%00", "/rank?x=%ff", "*"]
METHODS = ["POST"] * 20 + ["GET", "PUT", "HEAD", "OPTIONS", "BREW"]
ODD = [
    b"", b"{", b"null", b"[]", b'"', b"\xff\xfe", b"NaN", b"1e999", b"-", b"\x00" * 9, b"{}" * 9,
    b"[" * 9_000, b'{"a":' * 3_000, b"9" * 9_000, b'{"query":"\\ud800","texts":["\\udfff"]}',
    b'{"query":1,"query":2}', b" " * 30_000, b'{"documents":[' + b"1," * 9_000 + b"1]}",
]  # fmt: skip
ODD_HEADERS = [
    b"",
    b"content-type: text/plain\r\n",
    b"content-encoding: gzip\r\n",
    b"x-request-timeout-seconds: x\r\n",
    b"x-request-id: \xe9\r\n",
    b"authorization: Bearer \xff\r\n",
]


TEXTS = ["", " ", "a", QUERY, "\ud800", "\x00", "é" * 50, "[A]", "<|im_end|>", "1e5", "@"]
NUMBERS = [0, -1, 1, 2**31, 2**63, 10**300, 10**400, 0.5, -0.0, 1e308, 5e-324, 3.0]
TOKENS = [b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b"01", b"tru", b"1.", b'"\xed\xa0\x80"']


def value(dice: random.Random, depth: int = 0) -> object:
    plain = [None, True, False, *TEXTS, *NUMBERS, {}, [], {"text": "a"}, {"text": 1}, DOCUMENTS]
    if depth > 3 or dice.random() < 0.6:
        return dice.choice(plain)
    inner = [value(dice, depth + 1) for _ in range(dice.randrange(5))]
    return inner if dice.random() < 0.7 else dict(zip(dice.choices(KEYS, k=5), inner, strict=False))


def document(dice: random.Random) -> object:
    text = dice.choice(TEXTS)
    return (
        text
        if dice.random() < 0.7
        else {"id": value(dice), "text": text, "n": dice.choice(["@", 7])}
    )


def well_meant(dice: random.Random) -> bytes:
    name = dice.choice(["documents", "texts", "input", "passages"])
    body = {"query": QUERY, name: [document(dice) for _ in range(dice.randrange(4))]}
    for key in dice.choices([key for key in KEYS if key.startswith("return")], k=2):
        body[key] = True
    for key in dice.choices(KEYS, k=dice.randrange(3)):
        body[key] = value(dice)
    return json.dumps(body).encode().replace(b'"@"', dice.choice(TOKENS))


def broken(dice: random.Random) -> bytes:
    body = bytearray(well_meant(dice))
    for _ in range(dice.randrange(1, 4)):
        place = dice.randrange(len(body))
        body[place : place + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
    return bytes(body)


def body_of(dice: random.Random) -> bytes:
    makers: list[Callable[[random.Random], bytes]] = [
        well_meant,
        broken,
        lambda dice: dice.choice(ODD),
        lambda dice: dice.randbytes(dice.randrange(200)),
        lambda dice: json.dumps(value(dice)).encode(),
    ]
    return dice.choices(makers, [4, 4, 1, 1, 2])[0](dice)


def request_of(dice: random.Random) -> tuple[str, bytes]:
    method, body = dice.choice(METHODS), body_of(dice)
    head = f"{method} {dice.choice(PATHS)} HTTP/1.1\r\nhost: x\r\n".encode()
    extra = dice.choice(ODD_HEADERS)
    if dice.random() < 0.2:
        chunks = [body[at : at + 7_000] for at in range(0, len(body), 7_000)]
        sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        return method, head + extra + b"transfer-encoding: chunked\r\n\r\n" + sent + b"0\r\n\r\n"
    length = len(body) if dice.random() < 0.97 else dice.choice([-1, 10**18, "x"])
    return method, head + extra + f"content-length: {length}\r\n\r\n".encode() + body


def asked(port: int, method: str, request: bytes) -> tuple[int, bytes]:
    """The status and the body that a request is answered with, on a connection of its own."""
    with socket.create_connection((HOST, port), timeout=10) as wire:
        with suppress(ConnectionError):  # refused before all was sent: the answer is there
            wire.sendall(request)
        reply = HTTPResponse(wire, method=method)
        reply.begin()
        return reply.status, reply.read()


def test_hostile_requests_are_answered_and_the_server_stays_up():
    dice, statuses = random.Random(20), set()
    with serving(create_app(FakeService(limits=LIMITS))) as port:
        for turn in range(REQUESTS):
            method, request = request_of(dice)
            status, body = asked(port, method, request)
            assert status < 500, (turn, request[:300], body)
            if status == 200 and method == "POST":
                json.loads(body)
            statuses.add(status)
        good = json.dumps({"query": QUERY, "documents": DOCUMENTS}).encode()
        head = f"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: {len(good)}\r\n\r\n"
        status, body = asked(port, "POST", head.encode() + good)
    assert [entry["index"] for entry in json.loads(body)["results"]] == BEST_FIRST
    assert {200, 400, 404, 405, 413, 422} <= statuses
