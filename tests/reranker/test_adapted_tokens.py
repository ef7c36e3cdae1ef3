import pytest

from reranker import Reranker
from reranker.errors import SettingsError
from reranker.passage_cache import PassageCache
from reranker.settings import Settings
from reranker.shared_base import SharedBase
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
        assert found == pytest.approx(scores(Reranker(folder)), abs=1e-6)
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
        assert scores(rerankers[each]) == pytest.approx(alone[each], abs=1e-6)


@pytest.mark.parametrize("found", ["listwise", "suffix", "set"])
def test_passages_that_depend_on_the_query_are_nobodys_to_freeze(found):
    with pytest.raises(SettingsError, match=f"'blocks' or 'cross'; found '{found}'"):
        Settings(layout=found, frozen_passages=True)
    with pytest.raises(SettingsError, match="true or false"):
        Settings(layout="cross", frozen_passages=1)
