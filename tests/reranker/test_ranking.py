import pytest

from reranker.errors import DataError
from reranker.passage import Passage
from reranker.ranking import RankedPassage, Ranking
from reranker.reranker import Reranker


def ranking(*ids: str) -> Ranking:
    passages = [
        RankedPassage(index, id_, rank, 10.0 - rank, Passage(f"text of {id_}", id_))
        for rank, (index, id_) in enumerate(zip((2, 0, 1), ids, strict=True), start=1)
    ]
    return Ranking("which?", passages)


def test_a_ranking_is_a_sequence() -> None:
    found = ranking("c", "a", "b")
    assert len(found) == 3
    assert found[0].id == "c"
    assert [passage.rank for passage in found[1:]] == [2, 3]
    assert found[0] in found
    assert found == ranking("c", "a", "b")
    assert found != ranking("c", "a", "x")


def test_it_prints_well() -> None:
    found = ranking("c", "a", "b")
    assert repr(found) == "Ranking('which?', passages=3, best='c')"
    lines = str(found).splitlines()
    assert lines[0] == "which?"
    assert [line.split()[2] for line in lines[1:]] == ["▲2", "▼1", "▼1"]


def test_hostile_text_stays_on_its_line() -> None:
    passage = Passage("a\x1b[31m\nb\u202ec" + "d" * 10_000)
    text = str(Ranking("q\n\n", [RankedPassage(0, "0", 1, 1.0, passage)]))
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) < 200


def test_to_trec_writes_an_id_once() -> None:
    assert ranking("c", "a", "c").to_trec("q1", tag="me") == ("q1 Q0 c 1 9 me\nq1 Q0 a 2 8 me\n")


def test_to_trec_refuses_what_would_break_its_columns() -> None:
    with pytest.raises(DataError, match="white space"):
        ranking("c d", "a", "b").to_trec("q1")
    with pytest.raises(DataError, match="white space"):
        ranking("c", "a", "b").to_trec("my query")


def test_to_corpus_ids_is_what_sentence_transformers_returns() -> None:
    assert ranking("c", "a", "b").to_corpus_ids() == [
        {"corpus_id": 2, "score": 9.0},
        {"corpus_id": 0, "score": 8.0},
        {"corpus_id": 1, "score": 7.0},
    ]


def test_the_explanation_tells_windows_logits_tokens_cuts_and_time(reranker: Reranker) -> None:
    found = reranker.rank("which?", ["short", "long " * 50, *"abcdefg"])
    explanation = found.explain()
    assert explanation.candidates == 9
    assert [window.candidates[0] for window in explanation.windows] == [3, 0]
    assert explanation.cut == (1,)
    assert explanation.tokens == sum(len(w.prompt.token_ids) for w in explanation.windows)
    assert explanation.milliseconds > 0
    values = explanation.to_dict()
    assert values["candidates"] == 9
    assert "long" not in str(values)
    assert "2 windows" in str(explanation)
    top = explanation.windows[-1]
    best = max(range(6), key=lambda i: top.logits[i])
    assert top.candidates[best] == found[0].index
