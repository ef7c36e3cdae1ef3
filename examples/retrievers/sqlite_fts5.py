"""SQLite's full-text search, which Python brings, then the reranker."""

import re
import sqlite3

from passages import PASSAGES, QUERY

from reranker import Reranker


class Index:
    """Passages in an FTS5 table, by its BM25."""

    def __init__(self, passages):
        self._base = sqlite3.connect(":memory:")
        columns = "id UNINDEXED, text, tokenize=porter"
        self._base.execute(f"CREATE VIRTUAL TABLE passages USING fts5({columns})")
        self._base.executemany("INSERT INTO passages VALUES (:id, :text)", passages)

    def search(self, query, depth=100):
        """The best passages that share a word with the query."""
        # Quoted, a word is none of FTS5's operators.
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", query)) or '""'
        rows = self._base.execute(
            "SELECT id, text FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT ?",
            (words, depth),
        )
        return [{"id": id_, "text": text} for id_, text in rows]


def main(reranker):
    """Search, rerank, show."""
    candidates = Index(PASSAGES).search(QUERY)
    for passage in reranker.rank(QUERY, candidates):
        print(passage.rank, passage.id, f"{passage.score:.2f}", passage.text)


if __name__ == "__main__":
    main(Reranker())
