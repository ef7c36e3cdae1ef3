import re
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.dense import BruteForce, Dense, VectorIndex, Vectors
from data.first_stage import retrieve
from data.retrievers.faiss import FaissIndex
from data.retrievers.qdrant import QdrantIndex
from data.retrievers.sqlite import SQLite
from reranker.collection import Collection
from reranker.errors import DataError, InputError, MissingExtraError, ModelError
from reranker.passage import Passage

FOXES = {
    "run": Passage("The fox runs; naïve_fox \ud800 over"),
    "title": Passage("Nothing here.", title="Foxes"),
    "dog": Passage("dogs sleep"),
    "cow": Passage("cows graze"),
    "nul": Passage("a\0b"),
}


@pytest.fixture(scope="module")
def foxes() -> SQLite:
    return SQLite(FOXES)


def test_sqlite_stems_and_reads_titles(foxes: SQLite) -> None:
    run = foxes.search({"q": "FOXES running", "none": "elephants", "blank": " "}, depth=9)
    assert run.name == "sqlite"
    assert run.ids("q") == ["run", "title"]
    scores = [score for _, score in run.rankings["q"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] > 0
    assert run.ids("none") == run.ids("blank") == []
    assert foxes.search({"q": "FOXES running"}, depth=1).ids("q") == ["run"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ('dog" OR "cow', {"dog", "cow"}),
        ("dog AND cow", {"dog", "cow"}),
        ("NOT dog", {"dog"}),
        ("NEAR(dog cow, 2)", {"dog", "cow"}),
        ("text:dog ^cow do*", {"dog", "cow"}),
        ("-dog + {cow} '; DROP TABLE passages; --", {"dog", "cow"}),
        ("naïve_fox", {"run"}),
        ("____ cow", {"cow"}),
        ("\0 \ud800 dog\udfff", {"dog"}),
        ('"', set()),
        ("*", set()),
        ("_", set()),
    ],
)
def test_no_query_is_a_command_to_sqlite(foxes: SQLite, query: str, wanted: set[str]) -> None:
    assert set(foxes.search({"q": query}).ids("q")) == wanted


@given(st.text(st.characters()))
def test_sqlite_takes_any_text(foxes: SQLite, text: str) -> None:
    assert set(foxes.search({"q": text}).ids("q")) <= FOXES.keys()
    # What was stored is found by its own words, however odd.
    if re.search(r"[a-z]{3}", text):
        assert SQLite({"it": Passage(text)}).search({"q": text}).ids("q") == ["it"]


def test_sqlite_keeps_ties_in_order() -> None:
    index = SQLite({id_: Passage("same words") for id_ in "zyxw"} | {"other": Passage("none")})
    assert index.search({"q": "same"}, depth=3).ids("q") == ["z", "y", "x"]


def test_sqlite_without_full_text_search_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.retrievers.sqlite._TABLE", "CREATE VIRTUAL TABLE p USING nothing(t)")
    with pytest.raises(InputError, match=r"has no full-text search .*take the first stage bm25"):
        SQLite(FOXES)
    with pytest.raises(DataError, match="at least one passage"):
        SQLite({})


class Drawn:
    """Small whole numbers, whose dot products are exact: many are equal."""

    def passages(self, texts: Sequence[str]) -> Vectors:
        return np.random.default_rng(1).integers(-2, 3, (len(texts), 4)).astype(np.float32)

    def queries(self, texts: Sequence[str]) -> Vectors:
        return np.random.default_rng(2).integers(-2, 3, (len(texts), 4)).astype(np.float32)


PASSAGES = {f"p{number}": Passage(f"text {number}") for number in range(60)}
QUERIES = {f"q{number}": f"query {number}" for number in range(20)}


def faiss_index(vectors: Vectors) -> VectorIndex:
    pytest.importorskip("faiss")
    if sys.platform == "darwin":
        pytest.skip("faiss and torch may crash together on macOS")
    return FaissIndex(vectors)


def qdrant_index(vectors: Vectors) -> VectorIndex:
    pytest.importorskip("qdrant_client")
    return QdrantIndex(vectors)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("index", [faiss_index, qdrant_index, BruteForce])
def test_vector_indices_rank_by_the_exact_dot_product(
    index: Callable[[Vectors], VectorIndex],
) -> None:
    dense = Dense(PASSAGES, encoder=Drawn(), index=index)
    products = Drawn().queries(list(QUERIES)) @ Drawn().passages(list(PASSAGES)).T
    whole = dense.search(QUERIES, depth=100)
    cut = dense.search(QUERIES, depth=7)
    assert dense.search({}).rankings == {}
    for query, scores in zip(QUERIES, products, strict=True):
        order = np.argsort(-scores, kind="stable")
        wanted = [(f"p{place}", float(scores[place])) for place in order]
        assert whole.rankings[query] == wanted
        assert [score for _, score in cut.rankings[query]] == [score for _, score in wanted[:7]]
        assert set(cut.rankings[query]) <= set(wanted)


class Broken(Drawn):
    def passages(self, texts: Sequence[str]) -> Vectors:
        return np.full((len(texts), 4), np.nan, np.float32)


def test_vectors_that_are_none_are_refused() -> None:
    with pytest.raises(ModelError, match="NaN or infinity"):
        Dense(PASSAGES, encoder=Broken())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "package"), [("faiss", "faiss"), ("qdrant", "qdrant_client")])
def test_names_of_vector_indices(
    toy: Collection, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    pytest.importorskip(package)
    monkeypatch.setattr("data.dense.SentenceEncoder", lambda model: Drawn())
    run = retrieve(toy, name, depth=2)
    assert run.name == name
    assert run.rankings == {
        query: [(id_, score) for id_, score in ranking]
        for query, ranking in retrieve(toy, "dense", depth=2).rankings.items()
    }
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"reranker\[{name}\]"):
        retrieve(toy, name)


def test_sqlite_by_name(toy: Collection) -> None:
    assert retrieve(toy, "sqlite", depth=1).ids("q2") == ["dog"]


def test_nothing_is_indexed_before_every_name_is_known(
    toy: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.retrievers.sqlite.sqlite3", SimpleNamespace())
    for wrong in ("sqlite+splade", "sqlite+", "sqlite+opensearch", "sqlite + bm25"):
        with pytest.raises(InputError, match="no first stage") as refused:
            retrieve(toy, wrong)
        for name in ("bm25", "sqlite", "dense", "faiss", "qdrant", "opensearch:", "elasticsearch:"):
            assert name in str(refused.value)
