"""First-stage retrievers by name."""

from collections.abc import Callable, Mapping

from data.dense import Dense
from data.retrievers.faiss import FaissIndex
from data.retrievers.opensearch import OpenSearch
from data.retrievers.qdrant import QdrantIndex
from data.retrievers.retriever import Retriever
from data.retrievers.server import Server
from data.retrievers.sqlite import SQLite
from reranker.bm25 import BM25
from reranker.passage import Passage

Build = Callable[[Mapping[str, Passage], str], Retriever]
"""Makes a retriever of passages, and of the name of a dense model."""

RETRIEVERS: Mapping[str, Build] = {
    "bm25": lambda passages, _: BM25(passages),
    "sqlite": lambda passages, _: SQLite(passages),
    "dense": lambda passages, model: Dense(passages, model=model),
    "faiss": lambda passages, model: Dense(passages, model=model, index=FaissIndex),
    "qdrant": lambda passages, model: Dense(passages, model=model, index=QdrantIndex),
}
SERVERS = ("opensearch", "elasticsearch")


def named(name: str) -> Build | None:
    """What makes the retriever of a name; None for a name of none.

    Raises:
        InputError: for a search server whose address is none.
    """
    kind, colon, address = name.partition(":")
    if kind in SERVERS and colon:
        server = Server.read(address)
        return lambda passages, _: OpenSearch(passages, server)
    return RETRIEVERS.get(name)
