import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker import __version__
from reranker.errors import NonFiniteLogitsError
from serve.errors import Refusal, ServiceError
from serve.request import Priority, RerankRequest
from serve.settings import Limits
from tests.serve.house import SETTINGS, request, run, serving, tiny_reranker, until

REFERENCE = tiny_reranker()
REQUESTS = st.builds(
    request,
    st.integers(0, 20),
    query=st.sampled_from(["who?", "what is AB CD", "a much longer query, of many more tokens"]),
    raw_scores=st.just(True),
    priority=st.sampled_from(Priority),
    instruction=st.sampled_from([None, "prefer numbers"]),
    passage_tokens=st.sampled_from([None, 5, 99]),
    top_n=st.sampled_from([None, 1, 7]),
)


def expected(asked: RerankRequest, seed: int = 0) -> dict[int, float]:
    """What the library answers, by places."""
    reranker = REFERENCE if seed == 0 else tiny_reranker(seed)
    limit = min(asked.passage_tokens or SETTINGS.passage_tokens, SETTINGS.passage_tokens)
    reranker = reranker.with_settings(passage_tokens=limit)
    ranking = reranker.rank(
        asked.query, asked.passages, top_k=asked.top_n, instruction=asked.instruction
    )
    return {passage.index: passage.score for passage in ranking}


@settings(max_examples=12, deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=14), st.sampled_from([None, 1, 150, 700]))
def test_answers_are_the_librarys_whatever_shares_the_batch(
    requests: list[RerankRequest], batch_tokens: int | None
) -> None:
    async def body() -> None:
        async with serving(batch_tokens=batch_tokens) as house:
            answers = await asyncio.gather(*map(house.ask, requests))
            for asked, found in zip(requests, answers, strict=True):
                scores = {result.index: result.score for result in found.results}
                assert scores == pytest.approx(expected(asked), abs=1e-5)
                assert list(scores.values()) == sorted(scores.values(), reverse=True)

    run(body)


def test_requests_share_passes() -> None:
    async def body() -> None:
        async with serving() as house:
            first = await house.busy()
            others = [house.ask(request(n)) for n in (3, 4, 5)]
            await house.queued(4)
            house.gate.open()
            await asyncio.gather(first, *others)
            assert house.gate.sizes == [[2], [3, 4, 5]]

    run(body)


def test_an_answer_tells_its_cost() -> None:
    async def body() -> None:
        async with serving() as house:
            house.gate.close()
            house.gate.open()
            found = await house.service.rerank(request(12, id="r1"))
            read = [prompt for prompts in house.gate.passes for prompt in prompts]
            assert (found.id, found.model) == ("r1", "tiny")
            assert found.windows == len(read) == 3
            assert found.prompt_tokens == sum(map(len, read))
            parts = found.milliseconds
            assert set(parts) == {"tokenise", "queue", "engine", "total"}
            assert 0 < parts["tokenise"] + parts["queue"] + parts["engine"] <= parts["total"] + 0.01
            assert found.explanation is None

    run(body)


def test_unit_scores_unless_raw_ones_are_asked_for() -> None:
    async def body() -> None:
        async with serving() as house:
            raw = await house.service.rerank(request(9, raw_scores=True))
            unit = await house.service.rerank(request(9))
            assert [r.index for r in raw.results] == [r.index for r in unit.results]
            scores = [r.score for r in unit.results]
            assert all(0 <= score <= 1 for score in scores)
            assert scores[0] > 0.5 > scores[-1]

    run(body)


def test_an_explanation_names_places_of_the_request() -> None:
    count = 9
    mixed = [4.0, 9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 5.0]
    order = sorted(range(count), key=lambda place: -mixed[place])
    asked = request(count, raw_scores=True, explain=True, first_stage_scores=tuple(mixed))

    async def body() -> None:
        async with serving() as house:
            found = await house.service.rerank(asked)
            ranking = REFERENCE.rank(asked.query, [asked.passages[place] for place in order])
            assert [r.index for r in found.results] == [order[p.index] for p in ranking]
            assert [r.score for r in found.results] == pytest.approx(
                [p.score for p in ranking], abs=1e-5
            )
            assert found.explanation is not None
            first = found.explanation["windows"][0]  # type: ignore[index]
            assert first["candidates"] == order[3:]

    run(body)


@pytest.mark.parametrize(
    "error", [NonFiniteLogitsError([0]), RuntimeError("secret"), MemoryError()], ids=repr
)
def test_a_poisoned_request_fails_alone(error: Exception) -> None:
    async def body() -> None:
        async with serving() as house:
            house.gate.poison[5] = error
            first = await house.busy()
            good = [request(n, raw_scores=True) for n in (3, 4, 6)]
            bad = house.ask(request(5))
            tasks = [house.ask(asked) for asked in good]
            await house.queued(5)
            house.gate.open()
            with pytest.raises(ServiceError, match=type(error).__name__) as caught:
                await bad
            assert caught.value.refusal is Refusal.FAILED
            assert "secret" not in str(caught.value)
            for asked, found in zip(good, await asyncio.gather(*tasks), strict=True):
                scores = {result.index: result.score for result in found.results}
                assert scores == pytest.approx(expected(asked), abs=1e-5)
            await first
            assert house.service.healthy

    run(body)


def test_a_text_that_cannot_be_tokenised_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        async with serving() as house:
            reranker = house.shelf.rerankers[0]
            encode = reranker.encode

            def fragile(query: str, *rest: object) -> object:
                if query == "poison":
                    raise RuntimeError(query)
                return encode(query, *rest)  # type: ignore[arg-type]

            monkeypatch.setattr(reranker, "encode", fragile)
            bad, good = house.ask(request(3, query="poison")), house.ask(request(3))
            with pytest.raises(ServiceError) as caught:
                await bad
            assert caught.value.refusal is Refusal.FAILED
            assert len((await good).results) == 3

    run(body)


def test_a_blank_query_is_unprocessable() -> None:
    async def body() -> None:
        async with serving() as house:
            with pytest.raises(ServiceError, match="no visible character") as caught:
                await house.service.rerank(request(3, query=" \n"))
            assert caught.value.status == 422

    run(body)


def test_info() -> None:
    async def body() -> None:
        async with serving(adapters={"legal": "1"}, name="house", batch_tokens=300) as house:
            info = dict(house.service.info())
            assert info.pop("limits") == Limits().model_dump()
            assert info == {
                "model": "house",
                "adapters": ["legal"],
                "version": __version__,
                "layout": "suffix",
                "strategy": "sliding",
                "window": 6,
                "stride": 3,
                "passes": 1,
                "identifiers": len(REFERENCE.identifiers),
                "passage_tokens": 24,
                "query_tokens": 32,
                "absolute": False,
                "prior": 0.0,
                "likelihood": 0.0,
                "cut_query": False,
                "window_tokens": 2048,
                "batch_tokens": 300,
                "device": "cpu",
            }

    run(body)


def test_a_service_whose_device_has_broken_down_is_ill() -> None:
    async def body() -> None:
        async with serving() as house:
            house.gate.poison |= {size: RuntimeError("device-side assert") for size in range(1, 7)}
            for _ in range(3):
                with pytest.raises(ServiceError):
                    await house.service.rerank(request(3))
            await until(lambda: not house.service.healthy)
            house.gate.poison.clear()
            await house.service.rerank(request(3))
            await until(lambda: house.service.healthy)

    run(body)


def test_the_deadline_is_counted_from_the_arrival() -> None:
    async def body() -> None:
        async with serving(Limits(default_timeout_s=50.0)) as house:
            for timeout, ago in ((5.0, 6.0), (None, 51.0)):
                late = request(3, timeout=timeout, arrived=time.monotonic() - ago)
                with pytest.raises(ServiceError, match="deadline"):
                    await house.service.rerank(late)
            soon = request(3, timeout=50.0, arrived=time.monotonic() - 6.0)
            assert len((await house.service.rerank(soon)).results) == 3

    run(body)
