"""Passage vectors in Qdrant's local mode: its client alone, without a server."""

from typing import Any

from data.dense import Place, Vector, Vectors
from reranker.errors import MissingExtraError

_NAME = "passages"


class QdrantIndex:
    """A collection in memory of vectors, (passages, dimensions), scored by dot product.

    Raises:
        MissingExtraError: where Qdrant's client is not installed.
    """

    name = "qdrant"

    def __init__(self, vectors: Vectors) -> None:
        qdrant = _package()
        models = qdrant.models
        kind = models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
        self._client = qdrant.QdrantClient(":memory:")
        self._client.create_collection(_NAME, vectors_config=kind)
        self._client.upload_collection(_NAME, vectors=vectors, ids=range(len(vectors)))

    def nearest(self, query: Vector, depth: int) -> list[Place]:
        """The places of the best `depth` passages for a query (dimensions,), with scores."""
        found = self._client.query_points(_NAME, query=query, limit=depth, with_payload=False)
        return [(point.id, point.score) for point in found.points]


def _package() -> Any:
    try:
        import qdrant_client
    except ImportError as error:
        raise MissingExtraError("qdrant-client", "qdrant", "the first stage qdrant") from error
    return qdrant_client
