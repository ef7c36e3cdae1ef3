"""BM25 by bm25s, then the reranker: pip install '.[examples]'."""

import bm25s
import Stemmer
from passages import PASSAGES, QUERY

from reranker import Reranker


class Index:
    """Passages by BM25, with English stemming and stop words."""

    def __init__(self, passages):
        self._passages = passages
        self._index = bm25s.BM25()
        self._index.index(self._words([each["text"] for each in passages]), show_progress=False)

    def search(self, query, depth=100):
        """The best passages that share a word with the query."""
        depth = min(depth, len(self._passages))
        found = self._index.retrieve(self._words([query]), k=depth, show_progress=False)
        places = zip(found.documents[0], found.scores[0], strict=True)
        return [self._passages[place] for place, score in places if score > 0]

    def _words(self, texts):
        stemmer = Stemmer.Stemmer("english")
        return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)


def main(reranker):
    """Search, rerank, show."""
    candidates = Index(PASSAGES).search(QUERY)
    for passage in reranker.rank(QUERY, candidates):
        print(passage.rank, passage.id, f"{passage.score:.2f}", passage.text)


if __name__ == "__main__":
    main(Reranker())
