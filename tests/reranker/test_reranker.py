import copy
import resource
import threading
from pathlib import Path

import pytest

import reranker as package
from reranker.checkpoint import Checkpoint
from reranker.errors import (
    IdentifierError,
    InputError,
    NonFiniteLogitsError,
    SettingsError,
    WindowTooLargeError,
)
from reranker.lockstep import Lockstep, run
from reranker.passage import Passage
from reranker.ranking import Ranking
from reranker.reranker import Reranker
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
TEXTS = [f"passage number {word}" for word in WORDS]


def test_the_public_names() -> None:
    assert package.__all__ == [
        "AsyncClient",
        "Checkpoint",
        "Client",
        "Collection",
        "Explanation",
        "Passage",
        "RankedPassage",
        "Ranking",
        "Reranker",
        "RerankerError",
        "Run",
        "Settings",
        "__version__",
        "load",
    ]
    assert all(getattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        package.nope  # noqa: B018


def test_strings_dicts_and_passages_rank_alike(reranker: Reranker) -> None:
    plain = reranker.rank("number?", TEXTS)
    dicts = reranker.rank("number?", [{"text": text, "_id": i} for i, text in enumerate(TEXTS)])
    values = reranker.rank("number?", [Passage(text) for text in TEXTS])
    assert [p.index for p in plain] == [p.index for p in dicts] == [p.index for p in values]
    assert [p.id for p in plain] == [p.id for p in dicts] == [str(p.index) for p in plain]
    assert [p.text for p in plain] == [TEXTS[p.index] for p in plain]
    assert [p.rank for p in plain] == list(range(1, 9))


def test_the_callers_objects_are_never_changed(reranker: Reranker) -> None:
    passages = [{"text": text, "meta": {"n": i}} for i, text in enumerate(TEXTS)]
    before = copy.deepcopy(passages)
    reranker.rank("number?", passages)
    assert passages == before


def test_the_same_call_gives_the_same_ranking(reranker: Reranker) -> None:
    assert reranker.rank("number?", TEXTS) == reranker.rank("number?", TEXTS)


def test_top_k(reranker: Reranker) -> None:
    whole = reranker.rank("number?", TEXTS)
    assert list(reranker.rank("number?", TEXTS, top_k=3)) == list(whole[:3])
    assert len(reranker.rank("number?", TEXTS, top_k=99)) == 8
    assert reranker.rank("number?", TEXTS, top_k=1).explain().candidates == 8


def test_nothing_to_rank(reranker: Reranker) -> None:
    assert len(reranker.rank("number?", [])) == 0
    assert str(reranker.rank("number?", [])) == "number?"
    assert len(reranker.rank("number?", iter([]))) == 0


@pytest.mark.parametrize("count", [1, 2, 6, 7, 8, 25])
@pytest.mark.parametrize("strategy", ["sliding", "full", "partition"])
def test_every_number_of_candidates(reranker: Reranker, count: int, strategy: str) -> None:
    ranking = reranker.with_settings(strategy=strategy).rank("q", ["same text"] * count)
    assert sorted(p.index for p in ranking) == list(range(count))


def test_a_place_never_takes_anothers_id(reranker: Reranker) -> None:
    ranking = reranker.rank("q", [{"id": "1", "text": "a"}, "b", "c"])
    assert sorted(p.id for p in ranking) == ["#1", "1", "2"]


@pytest.mark.parametrize("values", [{"text": 5}, {"text": "a", "id": 5}, {"text": "a", "title": 5}])
def test_passages_are_checked_when_made(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match="is int; expected a string"):
        Passage(**values)  # type: ignore[arg-type]


def test_a_loaded_checkpoint_takes_no_loading_options(checkpoint: Checkpoint) -> None:
    with pytest.raises(SettingsError, match="adapter, device cannot be applied"):
        Reranker(checkpoint, adapter="x", device="cuda")


@pytest.mark.parametrize("tokens", [0, -5])
def test_batch_tokens_are_checked(checkpoint: Checkpoint, tokens: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        Reranker(checkpoint, batch_tokens=tokens)


def test_a_template_is_a_file_or_its_text(reranker: Reranker, tmp_path: Path) -> None:
    text = "method: listwise\nbody: '[{rank}] {candidate}'\nsuffix: '{query}'\n"
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    for template in (text, path, str(path)):
        assert reranker.with_settings(template=template).settings.template == text
    assert (
        reranker.with_settings(template=path).with_settings(layout="suffix").settings.template
        is None
    )


@pytest.mark.parametrize("count", [0, 1, 6, 7, 25])
@pytest.mark.parametrize("strategy", ["sliding", "full", "partition"])
def test_parts_of_a_ranking_put_together_are_the_ranking(
    reranker: Reranker, count: int, strategy: str
) -> None:
    reranker = reranker.with_settings(strategy=strategy)
    passages = [Passage(f"passage {place}") for place in range(count)]
    candidates = reranker.encode("which?", passages, "prefer numbers")
    job = reranker.job(candidates)
    list(run([job], Lockstep(reranker.engine.score, reranker.engine.batch_tokens)))
    whole = reranker.rank("which?", passages, instruction="prefer numbers")
    assert Ranking.of(job, "which?", passages) == whole
    assert list(Ranking.of(job, "which?", passages, top_k=2)) == list(whole[:2])


@pytest.mark.parametrize("count", [0, 1, 6, 7, 25])
@pytest.mark.parametrize("strategy", ["sliding", "full"])
def test_a_plan_is_what_reading_takes(reranker: Reranker, count: int, strategy: str) -> None:
    reranker = reranker.with_settings(strategy=strategy)
    # Of one length, so that it does not matter which of them go on to the next window.
    passages = [Passage(f"passage {place:02}") for place in range(count)]
    read = reranker.rank("which?", passages).explain().windows
    plan = reranker.plan(reranker.encode("which?", passages))
    assert plan == [len(window.prompt) for window in read]
    assert max(plan, default=0) <= reranker.window_tokens == 2048


def test_duplicate_ids_stay_apart(reranker: Reranker) -> None:
    ranking = reranker.rank("q", [{"id": "x", "text": "a"}, {"id": "x", "text": "b"}])
    assert sorted(p.index for p in ranking) == [0, 1]


def test_rank_many_is_rank_for_each(reranker: Reranker) -> None:
    queries = ["first?", "second?", "third?"]
    lists = [TEXTS, TEXTS[:3], []]
    many = reranker.rank_many(queries, lists, progress=True)
    for query, texts, ranking in zip(queries, lists, many, strict=True):
        alone = reranker.rank(query, texts)
        assert [p.index for p in ranking] == [p.index for p in alone]
        assert [p.score for p in ranking] == pytest.approx([p.score for p in alone], abs=1e-4)


def test_rank_stream_reads_no_further_than_it_must(reranker: Reranker) -> None:
    read = 0

    def endless() -> object:
        nonlocal read
        while True:
            read += 1
            yield "q", TEXTS

    stream = reranker.rank_stream(endless())  # type: ignore[arg-type]
    places = [next(stream)[0] for _ in range(5)]
    assert sorted(places) == places
    assert read < 200


def test_an_instruction_reaches_the_prompt(reranker: Reranker) -> None:
    told = reranker.rank("q", TEXTS, instruction="Prefer seven.").explain()
    assert told.tokens > reranker.rank("q", TEXTS).explain().tokens


@pytest.mark.parametrize(
    ("query", "passages", "options", "message"),
    [
        (7, ["a"], {}, "query 0 is int; expected a string"),
        (None, ["a"], {}, "query 0 is NoneType"),
        ("", ["a"], {}, "query 0 is blank"),
        ("\x00", ["a"], {}, "no visible character"),
        ("q", "abc", {}, "wrap it in a list"),
        ("q", {"text": "a"}, {}, "wrap it in a list"),
        ("q", 7, {}, "found int"),
        ("q", ["a", 7], {}, "passage 1 is int"),
        ("q", ["a", None], {}, "passage 1 is NoneType"),
        ("q", [{"title": "t"}], {}, "no string under any of"),
        ("q", [{"text": "t", "title": 3}], {}, "title of int"),
        ("q", ["a"], {"top_k": 0}, "top_k must be"),
        ("q", ["a"], {"top_k": 1.5}, "top_k must be"),
        ("q", ["a"], {"top_k": True}, "top_k must be"),
        ("q", ["a"], {"instruction": 7}, "instruction is int"),
    ],
)
def test_wrong_input_is_named(
    reranker: Reranker, query: object, passages: object, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        reranker.rank(query, passages, **options)  # type: ignore[arg-type]


def test_unequal_lists_are_refused_before_any_work(reranker: Reranker) -> None:
    with pytest.raises(InputError, match="found 2 queries and 1 lists"):
        reranker.rank_many(["a", "b"], [["x"]])
    with pytest.raises(InputError, match="wrap it in a list"):
        reranker.rank_many("abc", [["x"]] * 3)
    with pytest.raises(InputError, match="query 1 is blank"):
        reranker.rank_many(["a", " "], [["x"], ["y"]])


def test_a_failure_names_its_query(reranker: Reranker) -> None:
    tight = reranker.with_settings(window_tokens=40)
    with pytest.raises(WindowTooLargeError) as caught:
        tight.rank_many(["short", "a query of many words, too long"], [["x"], TEXTS])
    assert caught.value.__notes__ == ["while ranking query 1"]


def test_hundred_passages_of_300_kilobytes(reranker: Reranker) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ranking = reranker.rank("q", ["lorem ipsum dolor " * 17_000] * 100)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(ranking) == 100
    assert len(ranking.explain().cut) == 100
    assert grown < 300 * 1024


def test_five_thousand_candidates(reranker: Reranker) -> None:
    partition = reranker.with_settings(strategy="partition", window=50)
    ranking = partition.rank("q", (f"candidate {i}" for i in range(5000)))
    assert sorted(p.index for p in ranking) == list(range(5000))
    with pytest.raises(IdentifierError, match="5000 identifiers and the tokenizer has 156"):
        reranker.with_settings(strategy="full").rank("q", ["x"] * 5000)


def test_nan_weights_never_rank(checkpoint: Checkpoint) -> None:
    broken = Reranker(checkpoint)
    broken.engine._model.get_output_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(NonFiniteLogitsError):
        broken.rank("q", ["a", "b"])


def test_threads_may_share_one(reranker: Reranker) -> None:
    expected = reranker.rank("q", TEXTS)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(reranker.rank("q", TEXTS))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_a_checkpoints_settings_are_obeyed_unless_overridden(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    Settings(layout="suffix", window=7, stride=3, passage_tokens=11).write(tmp_path)
    carried = Reranker(tmp_path).settings
    assert (carried.layout, carried.window, carried.passage_tokens) == ("suffix", 7, 11)
    other = Reranker(tmp_path, layout="listwise", window=5).settings
    assert (other.layout, other.window, other.stride, other.passage_tokens) == (
        "listwise",
        5,
        3,
        11,
    )


def test_a_smaller_window_takes_a_smaller_stride_along(checkpoint: Checkpoint) -> None:
    assert Reranker(checkpoint, window=4).settings.stride == 2
    with pytest.raises(SettingsError, match="stride 9 is larger than window 4"):
        Reranker(checkpoint, window=4, stride=9)


def test_settings_that_cannot_work_fail_at_once(checkpoint: Checkpoint) -> None:
    with pytest.raises(IdentifierError, match="a window of 30 passages needs 30 identifiers"):
        Reranker(checkpoint, identifiers="letters", window=30)
    with pytest.raises(SettingsError, match="unknown strategy"):
        Reranker(checkpoint, strategy="guess")
    with pytest.raises(SettingsError, match="not both"):
        Reranker(checkpoint, layout="suffix", template="x.yaml")


def test_with_settings_shares_the_engine(reranker: Reranker) -> None:
    other = reranker.with_settings(window=3)
    assert other.engine is reranker.engine
    assert other.settings.window == 3
    assert reranker.settings.window == 6
    with pytest.raises(SettingsError, match="not made with"):
        reranker.with_settings(identifiers=["0", "1"], window=2)
    with pytest.raises(SettingsError, match="unknown setting"):
        reranker.with_settings(depth=3)
