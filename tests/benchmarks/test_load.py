import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from benchmarks.serve.load import Answer, End, Load, Target, client, judged, passes, poisson
from benchmarks.serve.load_mix import LONG, SHORT, SIZES, Ask, Mix
from benchmarks.workload import draw
from reranker.errors import InputError
from tests.serve.server import serving

ASK = Ask(SHORT, "which?", ("one", "two", "three"))
Handler = Callable[[int], Awaitable[Response]]


def ranked(body: dict[str, Any]) -> Response:
    """A ranking in the order given."""
    results = [{"index": place} for place in range(len(body["documents"]))]
    return JSONResponse(
        {"results": results}, headers={"server-timing": "tokenise;dur=1, engine;dur=250"}
    )


def asked(
    handler: Handler, use: Callable[[Load], Awaitable[list[Answer]]], **options: Any
) -> list[Answer]:
    """What a load gets of a server whose handler is told how many requests came before."""
    app, seen = FastAPI(), iter(range(10_000))

    @app.post("/rank")
    async def rank(request: Request) -> Response:
        body = await request.json()
        return await handler(next(seen)) or ranked(body)

    async def main(port: int) -> list[Answer]:
        async with client() as http:
            target = Target("fake", f"http://127.0.0.1:{port}/rank")
            return await use(Load(http, target, **options))

    with serving(app) as port:
        return asyncio.run(main(port))


async def at_once(_: int) -> Any:
    return None


def test_arrivals_are_poissons_and_the_same_for_the_same_seed() -> None:
    found = poisson(50.0, 100.0, seed=1)
    assert found == poisson(50.0, 100.0, seed=1) != poisson(50.0, 100.0, seed=2)
    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 100
    # 5,000 expected with a deviation of 71.
    assert 4700 < len(found) < 5300
    gaps = [b - a for a, b in pairwise(found)]
    # Of an exponential, 1/e are longer than the mean.
    assert sum(gap > 0.02 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-1), abs=0.03)


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (1, 0), (math.nan, 1), (1e9, 60)])
def test_arrivals_are_bounded(rate: float, seconds: float) -> None:
    with pytest.raises(InputError, match="requests"):
        poisson(rate, seconds, seed=0)


@pytest.mark.parametrize("url", ["http://example.org/rank", "http://10.0.0.1:80/", "nonsense"])
def test_no_load_is_put_on_other_machines(url: str) -> None:
    with pytest.raises(InputError, match="loopback"):
        Target("other", url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_loopback_is_loopback(host: str) -> None:
    assert Target("own", f"http://{host}:8000/rank").name == "own"


@pytest.mark.parametrize(
    ("status", "body", "end"),
    [
        (200, {"results": [{"index": 2}, {"index": 0}, {"index": 1}]}, End.ANSWERED),
        (200, {"results": [{"index": 2}, {"index": 0}]}, End.FAILED),
        (200, {"results": [{"index": 0}, {"index": 0}, {"index": 1}]}, End.FAILED),
        (200, {"results": None}, End.FAILED),
        (429, {"message": "full"}, End.REFUSED),
        (503, {"message": "stopping"}, End.REFUSED),
        (504, {"message": "late"}, End.REFUSED),
        (429, [], End.FAILED),
        (500, {"message": "broke"}, End.FAILED),
        (422, {"message": "wrong"}, End.FAILED),
    ],
)  # fmt: skip
def test_an_answer_is_a_whole_ranking_or_a_refusal_in_json(
    status: int, body: object, end: End
) -> None:
    assert judged(ASK, status, json.dumps(body).encode()) is end


def test_text_is_no_refusal() -> None:
    assert judged(ASK, 503, b"Service Unavailable") is End.FAILED


def test_the_time_of_passes_is_the_servers() -> None:
    assert passes({"server-timing": "queue;dur=7, engine;dur=250.5"}) == 0.2505
    assert passes({}) is None


def test_open_loop_waits_for_no_answer() -> None:
    async def slow(number: int) -> Any:
        await asyncio.sleep(0.5 if number == 0 else 0)

    answers = asked(slow, lambda load: load.open_loop([ASK] * 3, [0.0, 0.05, 0.1]))
    assert [each.end for each in answers] == [End.ANSWERED] * 3
    assert [each.due for each in answers] == [0.0, 0.05, 0.1]
    assert answers[0].seconds >= 0.5 > answers[2].due + answers[2].seconds
    assert answers[0].passes == 0.25


def test_latency_counts_from_when_a_request_was_due() -> None:
    async def late(load: Load) -> list[Answer]:
        load_task = asyncio.create_task(load.open_loop([ASK], [0.01]))
        await asyncio.sleep(0)
        # The generator itself hangs.
        time.sleep(0.2)
        return await load_task

    [answer] = asked(at_once, late)
    assert answer.lag > 0.1
    assert answer.seconds >= answer.lag


def test_a_client_leaves_when_its_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.serve.load.GRACE_SECONDS", 0.0)

    async def hang(number: int) -> Any:
        await asyncio.sleep(1.0 if number == 0 else 0)

    answers = asked(hang, lambda load: load.open_loop([ASK] * 2, [0.0, 0.0]), patience=0.2)
    assert sorted(each.end for each in answers) == [End.ANSWERED, End.LEFT]
    assert min(each.seconds for each in answers if each.end is End.LEFT) >= 0.2


def test_no_more_wait_than_may() -> None:
    async def slow(_: int) -> Any:
        await asyncio.sleep(0.3)

    answers = asked(slow, lambda load: load.open_loop([ASK] * 5, [0.0] * 5), most=2)
    assert [each.end for each in answers].count(End.UNSENT) == 3


def test_a_server_that_breaks_fails() -> None:
    async def breaks(_: int) -> Response:
        return PlainTextResponse("oh", 500)

    [answer] = asked(breaks, lambda load: load.open_loop([ASK], [0.0]))
    assert (answer.end, answer.status) == (End.FAILED, 500)


def test_no_server_fails() -> None:
    async def main() -> Answer:
        async with client() as http:
            # Nothing listens on the discard port.
            return await Load(http, Target("none", "http://127.0.0.1:9/rank")).ask(ASK)

    assert asyncio.run(main()).end is End.FAILED


def test_a_closed_loop_keeps_so_many_clients_busy_and_asks_again_what_is_refused() -> None:
    waiting, most = 0, 0

    async def counted(number: int) -> Any:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await asyncio.sleep(0.02)
        waiting -= 1
        return JSONResponse({"message": "full"}, 429) if number == 1 else None

    asks = [Ask(SHORT, "q", ("x",) * size) for size in range(1, 9)]
    answers = asked(counted, lambda load: load.closed_loop(asks, 3))
    assert most == 3
    assert [each.ask for each in answers] == asks
    assert {each.end for each in answers} == {End.ANSWERED}


def test_a_mix_has_its_share_of_long_requests_and_real_texts() -> None:
    mix = Mix(draw(3, 40, 60), long_share=0.25)
    asks = mix.draw(20)
    assert asks == mix.draw(20) != mix.draw(20, seed=1)
    assert [each.kind for each in asks].count(LONG) == 5
    for ask in asks:
        fewest, most = SIZES[ask.kind]
        assert fewest <= ask.candidates <= most
        found = json.loads(ask.body)
        assert found == {"query": ask.query, "documents": list(ask.texts)}
    assert {each.kind for each in mix.only(SHORT, 5)} == {SHORT}
