import asyncio
from pathlib import Path

import pytest

from reranker.errors import MissingWeightsError
from reranker.reranker import Reranker
from serve.loader import Loader
from serve.service import Service
from serve.settings import ServeSettings
from tests.serve.cluster import save_adapter, save_model
from tests.serve.house import request, run

# peft 0.21 reads a property that transformers 5.23 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_model(tmp_path / "base")


@pytest.fixture
def adapters(tmp_path: Path, base: Path) -> dict[str, str]:
    made = {"a": save_adapter(tmp_path / "a", base), "b": save_adapter(tmp_path / "b", base, -0.2)}
    return {name: str(folder) for name, folder in made.items()}


def weights(reranker: Reranker) -> set[int]:
    return {weight.data_ptr() for weight in reranker.engine._model.parameters()}


def test_adapters_share_weights_where_they_are_to(base: Path, adapters: dict[str, str]) -> None:
    for kind, shared in (("merged", False), ("shared", True)):
        settings = ServeSettings(model=str(base), adapters=adapters, adapter_weights=kind)  # type: ignore[arg-type]
        load = Loader()
        plain, one, other = (load(settings, each) for each in (None, *adapters.values()))
        # The head is narrowed for each.
        assert len(weights(one) - weights(other)) == (1 if shared else len(weights(one)))
        assert bool(weights(plain) & weights(one)) is shared


def test_shared_weights_answer_as_the_library_does(base: Path, adapters: dict[str, str]) -> None:
    async def body() -> None:
        settings = ServeSettings(model=str(base), adapters=adapters, adapter_weights="shared")
        service = Service(settings)
        await service.start()
        names = [None, "a", "b", "a", "tiny", "b", "b", "a"] * 2
        asked = [request(n + 2, model=name, raw_scores=True) for n, name in enumerate(names)]
        try:
            answers = await asyncio.gather(*map(service.rerank, asked))
        finally:
            await service.stop(10.0)
        alone = {name: Reranker(base, adapter=adapters.get(name or "")) for name in names}
        for question, found in zip(asked, answers, strict=True):
            ranking = alone[question.model].rank(question.query, question.passages)
            scores = {result.index: result.score for result in found.results}
            assert scores == pytest.approx({p.index: p.score for p in ranking}, abs=1e-5)

    run(body)


def test_a_replica_has_one_passage_cache(base: Path, adapters: dict[str, str]) -> None:
    settings = ServeSettings(
        model=str(base),
        adapters=adapters,
        overrides={"layout": "blocks"},
        cache={"memory": 1 << 20, "stored": "int8"},  # type: ignore[arg-type]
    )
    load = Loader()
    plain, adapted = load(settings, None), load(settings, adapters["a"])
    assert plain.engine.cache is not None
    assert (plain.engine.cache.memory, plain.engine.cache.stored) == (1 << 20, "int8")
    assert adapted.engine.cache is plain.engine.cache
    # What one has read is of no use to the other.
    passages = [f"passage {place}" for place in range(4)]
    assert [plain.keep(passages), adapted.keep(passages), plain.keep(passages)] == [4, 4, 0]


def test_room_is_made_once_the_adapter_is_there(base: Path, adapters: dict[str, str]) -> None:
    settings, made = ServeSettings(model=str(base), adapters=adapters), []
    with pytest.raises(MissingWeightsError):
        Loader()(settings, "/nonesuch", lambda: made.append(1))
    assert made == []
    Loader()(settings, adapters["a"], lambda: made.append(1))
    assert made == [1]
