import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reranker.passage import Passage
from serve.errors import ServiceError
from serve.logs import JsonFormatter, configure, failure
from serve.request import RerankRequest
from tests.serve.house import request, run, serving

SECRET = "xylophone"
KEY = "glockenspiel"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Whatever any logger of the process writes, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


def entries(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def secret(documents: int, **options: Any) -> RerankRequest:
    passages = tuple(Passage(f"{SECRET} {n}", f"{SECRET}-{n}", SECRET) for n in range(documents))
    return RerankRequest(query=SECRET, passages=passages, instruction=SECRET, **options)


def test_a_line_a_request(lines: io.StringIO) -> None:
    async def body() -> None:
        async with serving() as house:
            found = await house.service.rerank(request(9, id="r1"))
            with pytest.raises(ServiceError):
                await house.service.rerank(request(2, id="r2", timeout=0.0))
            first, second = [e for e in entries(lines) if e["event"] == "request"]
            assert first["outcome"] == "ok"
            assert first["logger"] == "serve.service"
            assert (first["id"], first["documents"], first["windows"]) == ("r1", 9, found.windows)
            assert first["tokens"] == found.prompt_tokens
            assert first["milliseconds"] == found.milliseconds
            assert (second["id"], second["outcome"]) == ("r2", "deadline")
            assert second["milliseconds"]["total"] >= 0

    run(body)


def test_no_text_and_no_key_is_ever_logged(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        async with serving(api_keys=(KEY,), adapters={"broken": SECRET}, any_name=False) as house:
            service = house.service
            await service.rerank(secret(5))
            house.gate.poison[4] = RuntimeError(SECRET)
            reranker = house.shelf.rerankers[0]
            for asked in (
                secret(4),
                secret(3, model="broken"),
                secret(3, model=SECRET),
                replace(secret(3, truncate=False), query=SECRET * 100),
                secret(3, timeout=0.0),
                secret(3, top_n=0),
            ):
                with pytest.raises(ServiceError) as caught:
                    await service.rerank(asked)
                assert SECRET not in str(caught.value)
                assert caught.value.__cause__ is None
                assert caught.value.__suppress_context__
            monkeypatch.setattr(reranker, "encode", lambda query, *rest: {}[query])
            with pytest.raises(ServiceError):
                await service.rerank(secret(2))
            with pytest.raises(ServiceError):
                service.keys.check(f"Bearer {KEY}!")

    run(body)
    written = lines.getvalue()
    assert SECRET not in written
    assert KEY not in written
    failures = [entry for entry in entries(lines) if entry["event"] == "request failed"]
    assert [entry["error"] for entry in failures] == ["RuntimeError", "ValueError", "KeyError"]
    assert any("serve/course.py" in place for place in failures[0]["at"])


def test_exceptions_are_told_without_their_message(lines: io.StringIO) -> None:
    logger = logging.getLogger("serve.test")
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        logger.exception("it broke")
        failure(logger, "it broke again", error, id="r7")
    first, second = entries(lines)
    assert (first["event"], first["error"], first["level"]) == ("it broke", "ValueError", "error")
    assert (second["event"], second["error"], second["id"]) == (
        "it broke again",
        "ValueError",
        "r7",
    )
    assert first["at"] == second["at"]
    assert "test_logs.py" in first["at"][0]
    assert SECRET not in lines.getvalue()


def test_the_rooms_log_as_json_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    rooms = [logging.getLogger(name) for name in ("serve", "reranker")]
    before = [(room.handlers, room.propagate, room.level) for room in rooms]
    try:
        configure("WARNING")
        logging.getLogger("serve.test").info("unheard")
        logging.getLogger("reranker.test").warning("told %d", 5)
    finally:
        for room, (handlers, propagate, level) in zip(rooms, before, strict=True):
            room.handlers, room.propagate = handlers, propagate
            room.setLevel(level)
    [line] = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["level"]) == ("told 5", "warning")
    assert entry["time"].endswith("+00:00")
