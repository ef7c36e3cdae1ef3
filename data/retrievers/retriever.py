"""What a first-stage retriever is: an index over passages, searched for many queries at once."""

from collections.abc import Mapping
from typing import Protocol

from reranker.errors import DataError, InputError
from reranker.passage import Passage
from reranker.run import Run


class Retriever(Protocol):
    """An index over passages; `reranker.bm25.BM25` and `data.dense.Dense` are two."""

    def search(self, queries: Mapping[str, str], *, depth: int) -> Run:
        """The best `depth` passages of each query, by its id.

        Raises:
            InputError: for a depth below 1.
        """
        ...


def check_depth(depth: int) -> None:
    """Raise InputError for a depth below 1."""
    if depth < 1:
        raise InputError(f"depth must be at least 1 passage, found {depth}")


def check_passages(passages: Mapping[str, Passage], index: str) -> None:
    """Raise DataError where there is nothing to index."""
    if not passages:
        raise DataError(f"a {index} index needs at least one passage, found none")


def storable(text: str) -> str:
    """A text that is UTF-8: half a surrogate pair, which JSON can hold, becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")
