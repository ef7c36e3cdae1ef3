from pathlib import Path

import pytest

from data.collections import SHARED, folders, load
from data.judged import assemble
from reranker.bm25 import BM25
from reranker.collection import Collection
from reranker.errors import DataError


def test_loads_by_name_and_by_path(collections_folder: Path, toy: Collection) -> None:
    assert load("toy") == toy
    assert load(str(collections_folder / "toy"), "test") == toy
    assert folders() == {"toy": collections_folder / "toy"}


def test_an_unknown_name_tells_what_is_known(collections_folder: Path) -> None:
    with pytest.raises(DataError, match=r"no collection 'none'.*\(toy\).*'embedded'"):
        load("none")


def test_a_path_that_is_no_collection_tells_what_it_lacks(collections_folder: Path) -> None:
    (collections_folder / "toy" / "corpus.jsonl").unlink()
    with pytest.raises(DataError, match=r"neither corpus\.jsonl nor"):
        load(str(collections_folder / "toy"))


def test_assembling_without_a_judged_query_is_refused() -> None:
    with pytest.raises(DataError, match="none of its 1 queries is among the 1 judged"):
        assemble("x", [], {"q": "text"}, [("other", "p", 1)])


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared collections")
def test_bm25_finds_what_it_should_on_a_real_collection() -> None:
    collection = load("noveleval")
    run = BM25(collection.passages).search(collection.queries)
    firsts = [collection.qrels[query].get(run.ids(query)[0], 0) for query in collection.queries]
    assert len(firsts) == 21
    assert sum(grade > 0 for grade in firsts) >= 18
