"""Passage vectors in FAISS (Douze et al., 2024, arXiv 2401.08281)."""

from typing import Any

from data.dense import Place, Vector, Vectors
from reranker.errors import MissingExtraError


class FaissIndex:
    """A flat index in memory: the exact dot product of every vector, (passages, dimensions).

    Raises:
        MissingExtraError: where FAISS is not installed.
    """

    name = "faiss"

    def __init__(self, vectors: Vectors) -> None:
        self._index: Any = _package().IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def nearest(self, query: Vector, depth: int) -> list[Place]:
        """The places of the best `depth` passages for a query (dimensions,), with scores."""
        [scores], [places] = self._index.search(query[None], min(depth, self._index.ntotal))
        return list(zip(places.tolist(), scores.tolist(), strict=True))


def _package() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("faiss-cpu", "faiss", "the first stage faiss") from error
    return faiss
