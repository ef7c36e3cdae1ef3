"""Sentence-transformers and Qdrant in memory, then the reranker: pip install '.[examples]'."""

import sys

from passages import PASSAGES, QUERY
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, VectorParams

from reranker import Reranker

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
NAME = "passages"


def fill(client, passages, encode):
    """Put passages into a new collection; `encode` makes an array, (texts, dimensions)."""
    vectors = encode([each["text"] for each in passages])
    size = len(vectors[0])
    client.create_collection(NAME, vectors_config=VectorParams(size=size, distance=Distance.COSINE))
    client.upload_collection(NAME, vectors=vectors, payload=passages, ids=range(len(passages)))


def search(client, query, encode, depth=100):
    """The nearest passages, as they were put in."""
    found = client.query_points(NAME, query=encode([query])[0], limit=depth)
    return [point.payload for point in found.points]


def main(reranker, encode):
    """Search, rerank, show."""
    client = QdrantClient(":memory:")  # or path="folder", or url="http://127.0.0.1:6333"
    fill(client, PASSAGES, encode)
    candidates = search(client, QUERY, encode)
    for passage in reranker.rank(QUERY, candidates):
        print(passage.rank, passage.id, f"{passage.score:.2f}", passage.text)


if __name__ == "__main__":
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(sys.argv[1] if len(sys.argv) > 1 else MODEL)
    main(Reranker(), model.encode)
