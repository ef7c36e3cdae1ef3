from pathlib import Path

import pytest

from data.collections import folders, load
from data.judged import assemble
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
