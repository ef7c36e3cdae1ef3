"""Sentence-transformers and FAISS, then the reranker: pip install '.[examples]'."""

import sys

import faiss
import numpy as np
from passages import PASSAGES, QUERY

from reranker import Reranker

MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class Index:
    """Passages by the cosine of their vectors; `encode` makes an array, (texts, dimensions)."""

    def __init__(self, passages, encode):
        self._passages, self._encode = passages, encode
        vectors = self._vectors([each["text"] for each in passages])
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(self, query, depth=100):
        """The nearest passages."""
        depth = min(depth, len(self._passages))
        _, [places] = self._index.search(self._vectors([query]), depth)
        return [self._passages[place] for place in places]

    def _vectors(self, texts):
        vectors = np.array(self._encode(texts), np.float32)
        faiss.normalize_L2(vectors)
        return vectors


def main(reranker, encode):
    """Search, rerank, show."""
    candidates = Index(PASSAGES, encode).search(QUERY)
    for passage in reranker.rank(QUERY, candidates):
        print(passage.rank, passage.id, f"{passage.score:.2f}", passage.text)


if __name__ == "__main__":
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(sys.argv[1] if len(sys.argv) > 1 else MODEL)
    main(Reranker(), model.encode)
