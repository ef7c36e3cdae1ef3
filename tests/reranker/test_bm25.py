import math
import sys

import pytest

from reranker.bm25 import BM25
from reranker.errors import DataError, InputError, MissingExtraError
from reranker.passage import Passage

PASSAGES = {
    "fox": Passage("quick brown foxes jump"),
    "dog": Passage("lazy dogs sleep deeply"),
    "both": Passage("foxes and dogs", title="Animals"),
}


def found(query: str, depth: int = 100) -> list[str]:
    return BM25(PASSAGES).search({"q": query}, depth=depth).ids("q")


def test_stems_words_and_leaves_out_passages_without_any() -> None:
    assert found("fox") == ["both", "fox"]
    assert found("sleeping") == ["dog"]


def test_titles_are_indexed() -> None:
    assert found("animal") == ["both"]


def test_the_score_is_that_of_the_formula() -> None:
    [(_, score), _] = BM25(PASSAGES).search({"q": "fox"}).rankings["q"]
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    mean_length = (4 + 4 + 3) / 3
    assert score == pytest.approx(idf / (1 + 0.9 * (1 - 0.4 + 0.4 * 3 / mean_length)), rel=1e-5)


@pytest.mark.parametrize("query", ["", "the of and", "zebra", "?!"])
def test_a_query_without_known_words_has_an_empty_ranking(query: str) -> None:
    run = BM25(PASSAGES).search({"q": query, "r": "dog"})
    assert run.ids("q") == []
    assert run.ids("r") == ["both", "dog"]


def test_depth_beyond_the_collection_gives_what_there_is() -> None:
    assert found("fox dog", depth=1000) == ["both", "fox", "dog"]
    assert found("fox dog", depth=1) == ["both"]


def test_ties_keep_the_order_of_the_index_at_any_depth() -> None:
    same = {str(number): Passage("cats purr") for number in range(50)}
    index = BM25(same)
    for depth in (1, 7, 50):
        assert index.search({"q": "cat"}, depth=depth).ids("q") == list(same)[:depth]


def test_passages_without_words_are_indexed_and_never_found() -> None:
    index = BM25({"a": Passage(""), "b": Passage("the")})
    assert index.search({"q": "the cat"}).rankings == {"q": []}
    assert repr(index) == "BM25(2 passages, k1=0.9, b=0.4)"


def test_no_queries_is_an_empty_run() -> None:
    assert BM25(PASSAGES).search({}).rankings == {}


def test_no_passages_and_no_depth_are_errors() -> None:
    with pytest.raises(DataError, match="at least one passage"):
        BM25({})
    with pytest.raises(InputError, match="depth must be at least 1"):
        found("fox", depth=0)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    with pytest.raises(MissingExtraError, match=r"'Stemmer'.*reranker\[bm25\]"):
        BM25(PASSAGES)
