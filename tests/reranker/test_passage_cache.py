import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker import Reranker
from reranker.checkpoint import Checkpoint
from reranker.encoder import Encoder
from reranker.engine import Engine
from reranker.errors import DataError, EngineError, ModelError, SettingsError
from reranker.kept import Kept
from reranker.passage import Passage
from reranker.passage_cache import OBJECTS, PassageCache
from reranker.prompter import Prompter
from reranker.settings import STORED, Settings
from reranker.weights_print import weights_print
from tests.tiny import tiny_model, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
PROMPTER = Prompter(Encoder(TOKENIZER), Settings(layout="blocks"), 4096)
PLAIN = Engine(tiny_model(TOKENIZER), PROMPTER.identifiers.token_ids)


def engine(cache: PassageCache) -> Engine:
    return Engine(tiny_model(TOKENIZER), PROMPTER.identifiers.token_ids, cache=cache)


CROSS = Prompter(Encoder(TOKENIZER), Settings(layout="cross"), 4096)


def prompt(query: str, texts: Sequence[str], prompter: Prompter = PROMPTER):
    candidates = prompter.encode(query, [Passage(text) for text in texts])
    return prompter.prompt(candidates, range(len(texts)))


EXACT = engine(PassageCache(stored="float32"))
texts = st.lists(st.text("abc def", max_size=30), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([PROMPTER, CROSS]),
    st.sampled_from(["fox", "what is a long query about"]),
    texts,
)
def test_scores_over_kept_passages_are_those_of_the_whole_row(
    prompter: Prompter, query: str, texts: list[str]
) -> None:
    made = prompt(query, texts, prompter)
    [expected] = PLAIN.score([made])
    for _ in range(2):
        [found] = EXACT.score([made])
        assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("stored", "off"), [("float16", 1e-3), ("bfloat16", 2e-2), ("int8", 2e-2)])
def test_smaller_types_are_close(stored: str, off: float) -> None:
    made = prompt("what is a fox", ["a fox", "the lazy dog sleeps on", "cats and dogs"])
    [expected] = PLAIN.score([made])
    [found] = engine(PassageCache(stored=stored)).score([made])
    assert found == pytest.approx(expected, abs=off)
    assert found != pytest.approx(expected, abs=1e-7)


def test_a_passage_is_read_once_whatever_the_query_and_its_identifier() -> None:
    cache = PassageCache()
    one = engine(cache)
    one.score([prompt("a", ["first text", "second text"])])
    assert (cache.statistics.computed, cache.statistics.memory) == (2, 0)
    one.score([prompt("another", ["third", "second text", "first text"])])
    assert (cache.statistics.computed, cache.statistics.memory) == (3, 2)
    saved = sum(len(TOKENIZER.encode(t)) for t in ("first text", "second text"))
    assert cache.statistics.tokens_saved == saved
    assert cache.statistics.hit_rate == pytest.approx(2 / 5)


def test_only_tails_and_closing_pass_through_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    one = engine(PassageCache())
    made = prompt("a query", ["first text that is rather long", "second text"])
    one.score([made])
    seen: list[int] = []
    one._model.register_forward_pre_hook(
        lambda module, args, options: seen.append(options["input_ids"].shape[1]), with_kwargs=True
    )
    one.score([made])
    assert seen == [2 * made.tail + len(made.closing)]


def test_the_least_recently_used_goes_first() -> None:
    kept = {name: Kept(torch.zeros(2, 1, 10, 1, 10)) for name in "abc"}
    cache = PassageCache(memory=2 * kept["a"].nbytes + 3 * OBJECTS, stored="float32")

    def read(prefix: Sequence[int], passages: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        asked.extend(passages)
        return [torch.zeros(2, 1, 0, 1, 10), *(kept["a"].states for _ in passages)]

    asked: list[Sequence[int]] = []
    for passage in ((1,), (2,), (1,), (3,), (1,), (2,)):
        cache.fetch(b"m", (9,), [passage], read)
        assert cache.nbytes <= cache.memory
    assert asked == [(1,), (2,), (3,), (2,)]


def test_a_prefix_that_went_before_its_passages_is_read_again() -> None:
    made = prompt("a", ["first text", "second text"])
    cache = PassageCache(stored="float32")
    one = engine(cache)
    expected = one.score([made])
    del cache._kept[cache.key(one._print, made.prefix, made.prefix)]
    assert one.score([made]) == expected
    assert cache.statistics.computed == 2


@pytest.mark.parametrize("stored", STORED)
def test_a_passage_holds_the_memory_that_is_counted(stored: str) -> None:
    cache = PassageCache(stored=stored)
    engine(cache).score([prompt("a", ["first text", "a second text", "third"])])
    read = [Kept.from_bytes(kept.to_bytes()) for kept in cache._kept.values()]
    for kept in (*cache._kept.values(), *read):
        tensors = [kept.states] if kept.scales is None else [kept.states, kept.scales]
        assert sum(t.untyped_storage().nbytes() for t in tensors) == kept.nbytes


def test_a_passage_larger_than_the_memory_is_read_each_time() -> None:
    cache = PassageCache(memory=0)
    one = engine(cache)
    made = prompt("a", ["text"])
    [expected] = PLAIN.score([made])
    for _ in range(2):
        assert one.score([made])[0] == pytest.approx(expected, abs=1e-3)
    assert cache.statistics.computed == 2
    assert cache.nbytes == 0


@pytest.mark.parametrize("stored", STORED)
def test_a_record_comes_back_as_it_was(stored: str) -> None:
    kept = Kept.of(torch.randn(2, 3, 5, 2, 4, generator=torch.Generator().manual_seed(1)), stored)
    back = Kept.from_bytes(kept.to_bytes())
    assert torch.equal(back.states, kept.states)
    for layer in range(3):
        assert torch.equal(back.layer(layer), kept.layer(layer))
    assert len(back) == 5


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_record_is_noticed(place: int, flip: int) -> None:
    record = bytearray(RECORD)
    record[place % len(record)] ^= flip
    with pytest.raises(DataError, match="cut or damaged"):
        Kept.from_bytes(bytes(record))
    with pytest.raises(DataError, match="cut or damaged"):
        Kept.from_bytes(RECORD[: place % len(RECORD)])


RECORD = Kept.of(torch.randn(2, 1, 3, 1, 4), "int8").to_bytes()


def test_a_folder_serves_the_next_process(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    made = prompt("a", ["first text", "second text"])
    before = engine(PassageCache(folder=tmp_path, stored="float32")).score([made])
    cache = PassageCache(folder=tmp_path, stored="float32")
    assert engine(cache).score([made]) == before
    assert (cache.statistics.disk, cache.statistics.computed) == (2, 0)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_entries, (tmp_path,)) == 3


def _entries(folder: Path) -> int:
    cache = PassageCache(folder=folder)
    assert cache.store is not None
    return len(cache.store)


@pytest.mark.parametrize("stored", ["float16", "int8"])
def test_a_blank_passage_comes_back_from_disk(tmp_path: Path, stored: str) -> None:
    pytest.importorskip("lmdb")
    made = prompt("a", ["", "text"])
    expected = engine(PassageCache(folder=tmp_path, stored=stored)).score([made])
    cache = PassageCache(folder=tmp_path, stored=stored)
    assert engine(cache).score([made]) == expected
    assert cache.statistics.disk == 2


def test_damaged_entries_are_computed_again(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    cache = PassageCache(memory=0, folder=tmp_path)
    one = engine(cache)
    made = prompt("a", ["text"])
    expected = one.score([made])
    assert cache.store is not None
    with cache.store._env.begin(write=True) as transaction:
        for key, record in list(transaction.cursor()):
            transaction.put(key, record[:-1] + bytes([record[-1] ^ 1]))
    assert one.score([made]) == expected
    assert cache.statistics.damaged == 2
    assert one.score([made]) == expected
    assert cache.statistics.damaged == 2


def test_another_models_entries_are_not_taken(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    made = prompt("a", ["text"])
    engine(PassageCache(folder=tmp_path)).score([made])
    other = tiny_model(TOKENIZER)
    with torch.no_grad():
        other.model.layers[1].mlp.up_proj.weight.mul_(1.5)
    cache = PassageCache(folder=tmp_path, stored="float32")
    [found] = Engine(other, PROMPTER.identifiers.token_ids, cache=cache).score([made])
    other.set_attn_implementation("eager")
    assert cache.statistics.computed == 1
    assert weights_print(tiny_model(TOKENIZER)) == weights_print(tiny_model(TOKENIZER))
    assert weights_print(other) != weights_print(tiny_model(TOKENIZER))
    assert found != pytest.approx(PLAIN.score([made])[0], abs=1e-4)


def test_a_full_store_goes_on_reading(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("lmdb")
    cache = PassageCache(memory=0, folder=tmp_path, disk=1 << 16, stored="float32")
    one = engine(cache)
    for number in range(40):
        one.score([prompt("a", [f"text number {number} of many words to fill the store"])])
    assert "has reached its budget" in caplog.text
    assert cache.store is not None
    assert cache.store.full
    one.score([prompt("a", ["text number 0 of many words to fill the store"])])
    assert cache.statistics.disk == 1


def test_settings_out_of_range_are_refused(tmp_path: Path) -> None:
    for options in ({"memory": -1}, {"disk": 0}, {"stored": "int4"}):
        with pytest.raises(SettingsError, match="a passage cache needs"):
            PassageCache(**options)  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    pytest.importorskip("lmdb")
    with pytest.raises(SettingsError, match="cannot be stored"):
        PassageCache(folder=tmp_path / "file")


def test_a_reranker_takes_a_cache() -> None:
    cache = PassageCache(stored="float32")
    checkpoint = Checkpoint("tiny", tiny_model(TOKENIZER), TOKENIZER, None)
    passages = [f"passage {number}" for number in range(30)]
    cached = Reranker(checkpoint, layout="blocks", strategy="full", cache=cache)
    plain = Reranker(
        Checkpoint("tiny", tiny_model(TOKENIZER), TOKENIZER, None),
        layout="blocks",
        strategy="full",
    )
    for query in ("one", "two"):
        expected = plain.rank(query, passages)
        found = cached.rank(query, passages)
        assert [r.index for r in found] == [r.index for r in expected]
        assert [r.score for r in found] == pytest.approx([r.score for r in expected], abs=1e-4)
    assert cache.statistics.memory == 30


def test_layouts_that_read_the_query_first_do_not_use_it() -> None:
    cache = PassageCache()
    checkpoint = Checkpoint("tiny", tiny_model(TOKENIZER), TOKENIZER, None)
    with pytest.raises(SettingsError, match="layout='blocks'"):
        Reranker(checkpoint, layout="suffix", cache=cache)
    assert cache.statistics.computed == 0


def test_a_banded_model_cannot_keep_passages() -> None:
    from reranker.slots import Slots

    kept = Kept(torch.zeros(2, 1, 2, 1, 4))
    slots = Slots(kept, [kept], tail=1, closing=1, device=torch.device("cpu"), dtype=torch.float32)
    with pytest.raises(EngineError, match="cannot be kept"):
        slots.attend(0, *[torch.zeros(1, 1, 2, 4)] * 3, 5, torch.nn.functional.relu)


@pytest.mark.parametrize("banded", [True, False])
def test_a_model_that_nothing_can_be_kept_of_refuses_a_cache(
    banded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a whole collection has been read into it."""
    model = tiny_model(TOKENIZER)
    if banded:
        model.config.layer_types = ["full_attention", "sliding_attention"]
    else:
        monkeypatch.setattr("reranker.engine.pack", lambda _: False)
    told = "bounded stretch" if banded else "cannot be packed"
    with pytest.raises(ModelError, match=told):
        Engine(model, PROMPTER.identifiers.token_ids, cache=PassageCache())


def test_passages_are_kept_ahead_of_any_query() -> None:
    cache = PassageCache()
    checkpoint = Checkpoint("tiny", tiny_model(TOKENIZER), TOKENIZER, None)
    reranker = Reranker(checkpoint, layout="blocks", strategy="full", cache=cache, batch_tokens=64)
    passages = [f"passage {number}" for number in range(200)]
    assert reranker.keep(passages) == 200
    assert reranker.keep([*passages, "a new one"]) == 1
    reranker.rank("what", passages[40:60])
    assert cache.statistics.memory == 20
    with pytest.raises(EngineError, match="keeps no passages"):
        Reranker(Checkpoint("tiny", tiny_model(TOKENIZER), TOKENIZER, None)).keep(["a"])
