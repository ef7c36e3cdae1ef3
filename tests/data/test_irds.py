import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from data.collections import load
from reranker.errors import DataError, MissingExtraError
from reranker.passage import Passage


class DataSet:
    """As much of a data set of ir_datasets as is read."""

    def __init__(self, *, judged: bool = True, broken: bool = False) -> None:
        self._judged, self._broken = judged, broken

    def has_docs(self) -> bool:
        return True

    def has_queries(self) -> bool:
        return True

    def has_qrels(self) -> bool:
        return self._judged

    def docs_iter(self) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(doc_id="a", title="T", text="one")
        yield SimpleNamespace(doc_id="b", default_text=lambda: "two")

    def queries_iter(self) -> Iterator[SimpleNamespace]:
        if self._broken:
            raise ConnectionError("no network")
        yield SimpleNamespace(query_id="1", text="first")
        yield SimpleNamespace(query_id="2", default_text=lambda: "second")

    def qrels_iter(self) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(query_id="2", doc_id="b", relevance=3)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "toy/test": DataSet(),
        "toy": DataSet(judged=False),
        "far/test": DataSet(broken=True),
    }
    monkeypatch.setitem(sys.modules, "ir_datasets", SimpleNamespace(load=known.__getitem__))


def test_reads_a_data_set() -> None:
    found = load("irds:toy", "test")
    assert found.name == "irds:toy/test"
    assert found.passages == {"a": Passage("one", "a", "T"), "b": Passage("two", "b")}
    assert (found.queries, found.qrels) == ({"2": "second"}, {"2": {"b": 3}})


def test_a_set_without_judgments_names_a_subset() -> None:
    with pytest.raises(DataError, match="has no qrels; name a subset"):
        load("irds:toy")


def test_an_unknown_name_and_a_broken_connection() -> None:
    with pytest.raises(DataError, match="knows no 'nope'"):
        load("irds:nope")
    with pytest.raises(DataError, match=r"ConnectionError: no network.*Check"):
        load("irds:far/test")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(MissingExtraError, match=r"reranker\[eval\]"):
        load("irds:toy/test")
