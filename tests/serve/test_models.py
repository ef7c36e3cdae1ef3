import asyncio
import time

import pytest

from reranker.errors import SettingsError
from reranker.reranker import Reranker
from serve.errors import Refusal, ServiceError
from serve.models import Models
from serve.service import Service
from serve.settings import ServeSettings
from tests.serve.house import Shelf, request, run, serving, tiny_reranker

ADAPTERS = {"a": "1", "b": "2", "c": "3"}


def models(**settings: object) -> tuple[Models, Shelf]:
    shelf = Shelf()
    made = Models(ServeSettings(adapters=ADAPTERS, **settings), shelf)  # type: ignore[arg-type]
    made.load_default()
    return made, shelf


@pytest.mark.parametrize("name", [None, "", "tiny", "house", "rerank-v3.5"])
def test_names_of_the_default(name: str | None) -> None:
    made, _ = models(name="house", aliases=("rerank-v3.5",), any_name=False)
    assert made.resolve(name) == "house"
    assert made.loaded("house") is made.default


def test_an_unknown_name_is_the_default_or_not_found_nor_quoted() -> None:
    assert models()[0].resolve("nonesuch") == "tiny"
    made, _ = models(any_name=False)
    with pytest.raises(ServiceError, match="known are: tiny, a, b, c") as caught:
        made.resolve("nonesuch")
    assert caught.value.refusal is Refusal.UNKNOWN_MODEL
    assert "nonesuch" not in str(caught.value)


def test_the_last_ones_asked_for_stay_loaded() -> None:
    made, shelf = models(max_adapters=2)
    for name in ("a", "b", "a"):
        made.load(made.resolve(name))
    assert made.loaded("a")
    made.load("c")
    assert (made.loaded("b"), shelf.loaded) == (None, [None, "1", "2", "3"])
    assert made.loaded("a")
    made.load("b")
    assert made.loaded("c") is None
    assert shelf.loaded[-1] == "2"
    assert made.loaded("tiny") is made.default


def test_adapters_answer_by_name_over_one_engine_thread() -> None:
    async def body() -> None:
        async with serving(adapters=ADAPTERS, max_adapters=1) as house:
            names = ["a", None, "b", "a", "tiny", "c", "a", "b"]
            asked = [request(8, model=name, raw_scores=True) for name in names]
            answers = await asyncio.gather(*map(house.ask, asked))
            for name, found in zip(names, answers, strict=True):
                seed = int(ADAPTERS.get(name or "", 0))
                ranking = tiny_reranker(seed).rank(asked[0].query, asked[0].passages)
                assert found.model == (name or "tiny")
                scores = {result.index: result.score for result in found.results}
                assert scores == pytest.approx({p.index: p.score for p in ranking}, abs=1e-5)

    run(body)


def test_an_adapter_is_loaded_once_for_all_who_wait_for_it() -> None:
    async def body() -> None:
        async with serving(adapters=ADAPTERS) as house:
            await asyncio.gather(*(house.ask(request(3, model="a")) for _ in range(5)))
            assert house.shelf.loaded == [None, "1"]

    run(body)


def test_an_adapter_that_cannot_be_loaded_fails_its_requests_alone() -> None:
    async def body() -> None:
        async with serving(adapters={"broken": "not a seed"}) as house:
            bad, good = house.ask(request(3, model="broken")), house.ask(request(3))
            with pytest.raises(ServiceError) as caught:
                await bad
            assert caught.value.refusal is Refusal.FAILED
            assert "not a seed" not in str(caught.value)
            assert len((await good).results) == 3

    run(body)


def failing(name: str) -> tuple[Models, Shelf]:
    """Two adapters, of which one cannot be loaded, and room for one."""
    shelf = Shelf()
    settings = ServeSettings(adapters={"a": "1", "broken": name}, max_adapters=1)
    made = Models(settings, shelf)
    made.load_default()
    return made, shelf


def test_an_adapter_that_failed_is_not_tried_again_for_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, shelf = failing("not a seed")
    with pytest.raises(ValueError, match="not a seed"):
        made.load("broken")
    for ask in (made.loaded, made.load):
        with pytest.raises(ServiceError, match="could not be loaded") as caught:
            ask("broken")
        assert caught.value.refusal is Refusal.FAILED
    assert shelf.loaded == [None, "not a seed"]
    now = time.monotonic()
    monkeypatch.setattr("serve.models.time.monotonic", lambda: now + 61)
    assert made.loaded("broken") is None
    with pytest.raises(ValueError, match="not a seed"):
        made.load("broken")


def test_an_adapter_that_cannot_be_found_costs_no_other_its_place() -> None:
    made, _ = failing("not a seed")
    good = made.load("a")
    with pytest.raises(ValueError, match="not a seed"):
        made.load("broken")
    assert made.loaded("a") is good


def test_an_operators_mistake_is_no_clients() -> None:
    def load(settings: ServeSettings, adapter: str | None, make_room: object) -> Reranker:
        if adapter is None:
            return tiny_reranker()
        raise SettingsError(f"/srv/adapters/{adapter}/reranker.json is not JSON")

    async def body() -> None:
        service = Service(ServeSettings(adapters={"broken": "x"}), load=load)
        await service.start()
        try:
            for _ in range(2):
                with pytest.raises(ServiceError) as caught:
                    await service.rerank(request(3, model="broken"))
                assert caught.value.refusal is Refusal.FAILED
                assert "/srv" not in str(caught.value)
        finally:
            await service.stop(10.0)

    run(body)
