"""SQLite's full-text search, FTS5, which most Pythons bring: BM25 in a table."""

import re
import sqlite3
import weakref
from collections.abc import Iterable, Mapping

from data.retrievers.retriever import check_depth, check_passages, storable
from reranker.errors import InputError
from reranker.passage import Passage, indexed_text
from reranker.run import Run, ScoredId

# The table keeps the index alone; the collection has the texts.
_TABLE = "CREATE VIRTUAL TABLE passages USING fts5(text, content='', tokenize='porter unicode61')"
_SEARCH = "SELECT rowid, -rank FROM passages WHERE passages MATCH ? ORDER BY rank, rowid LIMIT ?"


class SQLite:
    """An index in memory over title and text, with English stemming, scored by FTS5's BM25.

    Raises:
        DataError: for a collection without passages.
        InputError: where Python's SQLite was built without FTS5.
    """

    def __init__(self, passages: Mapping[str, Passage]) -> None:
        check_passages(passages, "SQLite")
        self._ids = list(passages)
        self._base = _filled(map(indexed_text, passages.values()))
        weakref.finalize(self, self._base.close)

    def search(self, queries: Mapping[str, str], *, depth: int = 100) -> Run:
        """The best `depth` passages of each query that share a word with it.

        Equal scores keep the order of the index. A query none of whose words is in any passage
        has an empty ranking.
        """
        check_depth(depth)
        return Run("sqlite", {id_: self._top(text, depth) for id_, text in queries.items()})

    def _top(self, query: str, depth: int) -> list[ScoredId]:
        words = _any_word(query)
        rows = self._base.execute(_SEARCH, (words, depth)) if words else ()
        return [(self._ids[place], score) for place, score in rows]


def _any_word(query: str) -> str:
    """The query that asks FTS5 for any of a text's words; quoted, none is an operator."""
    return " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", query)))


def _filled(texts: Iterable[str]) -> sqlite3.Connection:
    base = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        base.execute(_TABLE)
    except sqlite3.OperationalError as error:
        base.close()
        raise InputError(
            f"this Python's SQLite {sqlite3.sqlite_version} has no full-text search ({error}); "
            "take the first stage bm25"
        ) from error
    rows = ((place, storable(text)) for place, text in enumerate(texts))
    base.executemany("INSERT INTO passages (rowid, text) VALUES (?, ?)", rows)
    return base
