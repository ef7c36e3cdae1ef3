"""Dense retrieval: passages' vectors against a query's, by brute force or in an index."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.retrievers.retriever import check_depth, check_passages
from reranker.errors import DataError, MissingExtraError, ModelError
from reranker.passage import Passage, indexed_text
from reranker.run import Run, ScoredId

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
BLOCK = 65_536

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]
Place = tuple[int, float]
"""A passage's place in the index, and its score."""


class Encoder(Protocol):
    """What turns texts into vectors, each (texts, dimensions)."""

    def passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of passages."""
        ...

    def queries(self, texts: Sequence[str]) -> Vectors:
        """The vectors of queries."""
        ...


class VectorIndex(Protocol):
    """What finds the vectors with the largest dot products; made of them all."""

    @property
    def name(self) -> str:
        """Of the runs that it gives."""
        ...

    def nearest(self, query: Vector, depth: int) -> Sequence[Place]:
        """The best `depth` passages for one query vector, (dimensions,)."""
        ...


class BruteForce:
    """Vectors in memory, (passages, dimensions), a block of them at a time."""

    name = "dense"

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def nearest(self, query: Vector, depth: int) -> list[Place]:
        """The best `depth` passages for one query vector, (dimensions,)."""
        scores = np.concatenate(
            [
                self._vectors[start : start + BLOCK] @ query
                for start in range(0, len(self._vectors), BLOCK)
            ]
        )
        order = np.argsort(-scores, kind="stable")[:depth]
        return list(zip(order.tolist(), scores[order].tolist(), strict=True))


class Dense:
    """An index in memory of passage vectors, scored by dot product.

    `model` is a sentence-transformers model by name or folder; `encoder` takes its place.
    `index` makes what holds the vectors and searches them.

    Raises:
        MissingExtraError: where sentence-transformers, or the index's package, is not installed.
        ModelError: for a model that cannot be loaded, or gives vectors that are not finite.
        DataError: for a collection without passages.
    """

    def __init__(
        self,
        passages: Mapping[str, Passage],
        *,
        model: str = DEFAULT_MODEL,
        encoder: Encoder | None = None,
        index: Callable[[Vectors], VectorIndex] = BruteForce,
    ) -> None:
        check_passages(passages, "dense")
        self._encoder = encoder or SentenceEncoder(model)
        self._ids = list(passages)
        texts = [indexed_text(passage) for passage in passages.values()]
        self._vectors = _finite(self._encoder.passages(texts))
        self._index = index(self._vectors)

    def search(self, queries: Mapping[str, str], *, depth: int = 100) -> Run:
        """The best `depth` passages of each query; equal scores keep the order of the index.

        Which of equal ones are the last to be kept, FAISS and Qdrant choose.
        """
        check_depth(depth)
        return self.search_vectors(self.query_vectors(queries), depth=depth)

    def search_vectors(self, vectors: Mapping[str, Vector], *, depth: int = 100) -> Run:
        """As `search`, by the vector of each query, (dimensions,)."""
        check_depth(depth)
        rankings = {id_: self._top(vector, depth) for id_, vector in vectors.items()}
        return Run(self._index.name, rankings)

    def query_vectors(self, queries: Mapping[str, str]) -> dict[str, Vector]:
        """The vector of each query, (dimensions,)."""
        if not queries:
            return {}
        vectors = _finite(self._encoder.queries(list(queries.values())))
        return dict(zip(queries, vectors, strict=True))

    def passage_vectors(self, ids: Sequence[str]) -> Vectors:
        """The vectors of passages in the index, (passages, dimensions).

        Raises:
            DataError: for a passage that is not in the index.
        """
        if unknown := [id_ for id_ in ids if id_ not in self._places]:
            raise DataError(
                f"the dense index holds no passage {unknown[0]!r} ({len(unknown)} of {len(ids)} "
                "are unknown); is this a run over another collection?"
            )
        return self._vectors[[self._places[id_] for id_ in ids]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {id_: place for place, id_ in enumerate(self._ids)}

    def _top(self, query: Vector, depth: int) -> list[ScoredId]:
        places = self._index.nearest(query, depth)
        order = sorted(places, key=lambda found: (-found[1], found[0]))
        return [(self._ids[place], score) for place, score in order]


class SentenceEncoder:
    """A sentence-transformers model, with the prompts that it carries for queries and passages."""

    def __init__(self, model: str = DEFAULT_MODEL, *, batch_size: int = 32) -> None:
        self._model = _load(model)
        self._options = {"batch_size": batch_size, "show_progress_bar": False}

    def passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of passages, (texts, dimensions)."""
        return np.asarray(self._model.encode_document(list(texts), **self._options), np.float32)

    def queries(self, texts: Sequence[str]) -> Vectors:
        """The vectors of queries, (texts, dimensions)."""
        return np.asarray(self._model.encode_query(list(texts), **self._options), np.float32)


def _load(model: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError("sentence-transformers", "dense", "dense retrieval") from error
    try:
        return SentenceTransformer(model)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the dense model {model!r} could not be loaded ({type(error).__name__}: "
            f"{str(error)[:200]}); give the folder of a sentence-transformers model"
        ) from error


def _finite(vectors: Vectors) -> Vectors:
    """Vectors in one block of memory, as indices want them.

    Raises:
        ModelError: for NaN or infinity, which have no order.
    """
    if not np.isfinite(vectors).all():
        raise ModelError(
            "the dense model gave NaN or infinity in place of a vector; check its weights, and "
            "try another precision"
        )
    return np.ascontiguousarray(vectors)
