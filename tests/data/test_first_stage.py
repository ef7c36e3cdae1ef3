import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data.dense import Dense, Vectors
from data.first_stage import retrieve
from reranker.collection import Collection
from reranker.errors import DataError, InputError, MissingExtraError
from reranker.run import Run, write_trec


class LetterEncoder:
    """Counts the letters a, b and c."""

    def passages(self, texts: Sequence[str]) -> Vectors:
        return np.array([[text.count(sign) for sign in "abc"] for text in texts], np.float32)

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self.passages(texts)


def test_bm25(toy: Collection) -> None:
    run = retrieve(toy, "bm25", depth=1)
    assert {query: run.ids(query) for query in run.rankings} == {"q1": ["fox"], "q2": ["dog"]}


def test_dense_ranks_by_dot_product_and_ties_by_place(toy: Collection) -> None:
    index = Dense(toy.passages, encoder=LetterEncoder())
    run = index.search({"q": "a", "none": "zzz"}, depth=2)
    # "lazy dogs sleep" and "cats purr" hold one a each, "quick brown foxes" none.
    assert run.rankings["q"] == [("dog", 1.0), ("cat", 1.0)]
    assert run.ids("none") == ["fox", "dog"]
    assert index.search({}).rankings == {}


def test_dense_goes_block_by_block(toy: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Dense(toy.passages, encoder=LetterEncoder()).search({"q": "abc cab"})
    monkeypatch.setattr("data.dense.BLOCK", 2)
    assert Dense(toy.passages, encoder=LetterEncoder()).search({"q": "abc cab"}) == whole


def test_dense_without_its_package_names_the_extra(
    toy: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"reranker\[dense\]"):
        retrieve(toy, "dense")


def test_a_run_file_is_cut_to_the_queries_and_the_depth(toy: Collection, tmp_path: Path) -> None:
    path = tmp_path / "x.trec"
    ranking = [("cat", 3.0), ("dog", 2.0)]
    write_trec(Run("x", {"q1": ranking, "elsewhere": ranking}), path)
    assert retrieve(toy, path, depth=1).rankings == {"q1": [("cat", 3.0)], "q2": ()}


def test_run_files_of_other_collections_are_refused(toy: Collection, tmp_path: Path) -> None:
    path = tmp_path / "x.trec"
    write_trec(Run("x", {"other": [("cat", 1.0)]}), path)
    with pytest.raises(DataError, match="ranks none of the 2 queries of toy"):
        retrieve(toy, str(path))
    write_trec(Run("x", {"q1": [("cat", 2.0), ("cow", 1.0)]}), path)
    with pytest.raises(DataError, match=r"names 1 of 2 passages that toy does not hold.*'cow'"):
        retrieve(toy, path)


def test_unknown_first_stages_and_depths(toy: Collection, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no first stage 'splade'"):
        retrieve(toy, "splade")
    with pytest.raises(InputError, match="depth must be at least 1"):
        retrieve(toy, "bm25", depth=0)
