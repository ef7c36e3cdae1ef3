from concurrent.futures import ThreadPoolExecutor

import pytest

from reranker import Reranker
from reranker.checkpoint import load
from reranker.errors import ModelError, SettingsError
from reranker.passage_cache import PassageCache
from reranker.settings import Settings
from reranker.shared_base import SharedBase
from reranker.weights_print import weights_print
from tests.reranker.test_shared_base import save_adapter
from tests.tiny import save_tiny

# peft 0.21 reads a property that transformers 5.23 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

PASSAGES = [f"passage {place} " + "ab " * (place * 7 % 5) for place in range(7)]
LAYOUTS = [{"layout": "blocks"}, {"layout": "cross"}, {"layout": "cross", "likelihood": 0.5}]


@pytest.fixture
def base(tmp_path):
    return save_tiny(tmp_path / "base")


def adapter(folder, base, settings, *, frozen=True, targets="all-linear"):
    saved = save_adapter(folder, base, targets, r=4)
    Settings(**settings, frozen_passages=frozen).write(saved)
    return saved


def scores(reranker, query="which number?"):
    return [p.score for p in sorted(reranker.rank(query, PASSAGES), key=lambda p: p.index)]


@pytest.mark.parametrize("settings", LAYOUTS)
def test_passages_that_the_base_keeps_serve_every_adapter(tmp_path, base, settings):
    cache = PassageCache(stored="float32")
    plain = Reranker(base, **settings, cache=cache)
    expected = [scores(plain)]
    assert cache.statistics.computed == len(PASSAGES)
    for number, targets in enumerate(("all-linear", ["v_proj"])):
        folder = adapter(tmp_path / str(number), base, settings, targets=targets)
        found = scores(Reranker(folder, cache=cache))
        assert cache.statistics.computed == len(PASSAGES)
        assert found == pytest.approx(scores(Reranker(folder)), rel=2e-7, abs=1e-6)
        assert all(found != pytest.approx(other, abs=1e-5) for other in expected)
        expected.append(found)


@pytest.mark.parametrize("settings", LAYOUTS)
def test_the_adapter_reads_the_query_and_not_the_passages(tmp_path, base, settings):
    frozen = adapter(tmp_path / "frozen", base, settings)
    whole = adapter(tmp_path / "whole", base, settings, frozen=False)
    caches = PassageCache(stored="float32"), PassageCache(stored="float32")
    found = [scores(Reranker(f, cache=c)) for f, c in zip((frozen, whole), caches, strict=True)]
    assert found[0] != pytest.approx(found[1], abs=1e-5)
    # An adapter that reads passages finds nothing of what another model kept.
    scores(Reranker(whole, cache=caches[0]))
    assert caches[0].statistics.computed == 2 * len(PASSAGES)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_such_an_adapter_shares_its_base_as_others_do(tmp_path, base, dtype):
    settings = LAYOUTS[1]
    one = adapter(tmp_path / "one", base, settings)
    two = adapter(tmp_path / "two", base, settings, frozen=False)
    alone = {each: scores(Reranker(each, dtype=dtype)) for each in (one, two)}
    shared = SharedBase(base, dtype=dtype)
    rerankers = {each: Reranker(shared.checkpoint(each)) for each in (one, two)}
    for each in (one, two, one):
        assert scores(rerankers[each]) == pytest.approx(alone[each], rel=2e-7, abs=1e-6)


def test_the_print_of_the_weights_tells_adapters_apart_and_that_of_passages_does_not(
    tmp_path, base
):
    one = load(adapter(tmp_path / "one", base, LAYOUTS[1])).model
    two = load(adapter(tmp_path / "two", base, LAYOUTS[1], targets=["v_proj"])).model
    plain = load(base).model
    assert len({weights_print(model) for model in (one, two, plain)}) == 3
    assert len({weights_print(model, of_passages=True) for model in (one, two, plain)}) == 1


def test_threads_take_turns(tmp_path, base):
    """Each of them ranks other numbers of tokens, over passages that are read or that are kept."""
    reranker = Reranker(adapter(tmp_path / "one", base, LAYOUTS[2]))
    queries = [f"which {'long ' * (place % 5)}number {place}?" for place in range(24)]
    expected = [scores(reranker, query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: scores(reranker, query), queries))
    assert found == [pytest.approx(each, abs=1e-6) for each in expected]


def test_what_acts_on_all_tokens_leaves_no_passage_alone(tmp_path, base):
    saved = save_adapter(tmp_path / "one", base, ["q_proj"], r=4, use_dora=True)
    Settings(layout="cross", frozen_passages=True).write(saved)
    with pytest.raises(ModelError, match="must be plain LoRA"):
        load(saved)


def test_it_is_trained_and_not_asked_for(tmp_path, base):
    reranker = Reranker(base, layout="cross")
    with pytest.raises(SettingsError, match="cannot be overridden"):
        reranker.with_settings(frozen_passages=True)
    frozen = adapter(tmp_path / "one", base, LAYOUTS[1])
    with pytest.raises(SettingsError, match="was trained with"):
        Reranker(frozen, layout="suffix")


@pytest.mark.parametrize("found", ["listwise", "suffix", "set"])
def test_passages_that_depend_on_the_query_are_nobodys_to_freeze(found):
    with pytest.raises(SettingsError, match=f"'blocks' or 'cross'; found '{found}'"):
        Settings(layout=found, frozen_passages=True)
    with pytest.raises(SettingsError, match="true or false"):
        Settings(layout="cross", frozen_passages=1)
