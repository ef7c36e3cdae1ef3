"""BM25, the lexical first-stage retriever (Robertson and Zaragoza, 2009)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reranker.errors import DataError, InputError, MissingExtraError
from reranker.passage import Passage, indexed_text
from reranker.run import Run, ScoredId


class BM25:
    """An index in memory over title and text, with English stemming and stop words.

    `k1` and `b` default to the field's usual values for passages (Anserini's 0.9 and 0.4).

    Raises:
        MissingExtraError: where bm25s or PyStemmer is not installed.
        DataError: for a collection without passages.
    """

    def __init__(self, passages: Mapping[str, Passage], *, k1: float = 0.9, b: float = 0.4) -> None:
        if not passages:
            raise DataError("a BM25 index needs at least one passage, found none")
        self._bm25s, self._stemmer = _packages()
        self._ids = list(passages)
        words = self._words([indexed_text(passage) for passage in passages.values()])
        self._k1, self._b = k1, b
        self._index = self._built(words)

    def __repr__(self) -> str:
        return f"BM25({len(self._ids)} passages, k1={self._k1}, b={self._b})"

    def search(self, queries: Mapping[str, str], *, depth: int = 100) -> Run:
        """The best `depth` passages of each query that share a word with it.

        Equal scores keep the order of the index. A query none of whose words is in any passage
        has an empty ranking.
        """
        if depth < 1:
            raise InputError(f"depth must be at least 1 passage, found {depth}")
        words = self._words(list(queries.values()))
        searched = zip(queries, words, strict=True)
        return Run("bm25", {id_: self._top(query, depth) for id_, query in searched})

    def _built(self, words: list[list[str]]) -> Any:
        """The index, or None where no passage has a word: bm25s divides by their mean length."""
        if not any(words):
            return None
        index = self._bm25s.BM25(k1=self._k1, b=self._b)
        index.index(words, show_progress=False)
        return index

    def _top(self, words: list[str], depth: int) -> list[ScoredId]:
        tokens = self._index.get_tokens_ids(words) if self._index else []
        if not tokens:
            return []
        scores = self._index.get_scores_from_ids(tokens)
        return [(self._ids[place], float(scores[place])) for place in _best(scores, depth)]

    def _words(self, texts: list[str]) -> list[list[str]]:
        words: list[list[str]] = self._bm25s.tokenize(
            texts, stopwords="en", stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return words


def _best(scores: NDArray[np.float32], depth: int) -> list[int]:
    """The places of the `depth` best of `scores` (passages,) above 0, equal ones in order."""
    places = np.flatnonzero(scores > 0)
    if len(places) > depth:
        least = np.partition(scores[places], -depth)[-depth]
        places = places[scores[places] >= least]
    order = np.argsort(-scores[places], kind="stable")[:depth]
    found: list[int] = places[order].tolist()
    return found


def _packages() -> tuple[Any, Any]:
    try:
        import bm25s
        import Stemmer
    except ImportError as error:
        raise MissingExtraError(error.name or "bm25s", "bm25", "BM25 retrieval") from error
    return bm25s, Stemmer.Stemmer("english")
