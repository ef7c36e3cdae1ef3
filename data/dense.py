"""Dense retrieval by brute force: every passage's vector against every query's."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reranker.errors import DataError, InputError, MissingExtraError, ModelError
from reranker.passage import Passage
from reranker.run import Run, ScoredId

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
BLOCK = 65_536

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """What turns texts into vectors, each (texts, dimensions)."""

    def passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of passages."""
        ...

    def queries(self, texts: Sequence[str]) -> Vectors:
        """The vectors of queries."""
        ...


class Dense:
    """An index in memory of passage vectors, scored by dot product.

    `model` is a sentence-transformers model by name or folder; `encoder` takes its place.

    Raises:
        MissingExtraError: where sentence-transformers is needed and not installed.
        ModelError: for a model that cannot be loaded.
        DataError: for a collection without passages.
    """

    def __init__(
        self,
        passages: Mapping[str, Passage],
        *,
        model: str = DEFAULT_MODEL,
        encoder: Encoder | None = None,
    ) -> None:
        if not passages:
            raise DataError("a dense index needs at least one passage, found none")
        self._encoder = encoder or SentenceEncoder(model)
        self._ids = list(passages)
        self._vectors = self._encoder.passages(
            [indexed_text(passage) for passage in passages.values()]
        )

    def search(self, queries: Mapping[str, str], *, depth: int = 100) -> Run:
        """The best `depth` passages of each query; equal scores keep the order of the index."""
        if depth < 1:
            raise InputError(f"depth must be at least 1 passage, found {depth}")
        if not queries:
            return Run("dense", {})
        vectors = self._encoder.queries(list(queries.values()))
        rankings = {
            id_: self._top(vector, depth) for id_, vector in zip(queries, vectors, strict=True)
        }
        return Run("dense", rankings)

    def _top(self, query: Vectors, depth: int) -> list[ScoredId]:
        """The best passages for one query vector, (dimensions,), a block of vectors at a time."""
        scores = np.concatenate(
            [
                self._vectors[start : start + BLOCK] @ query
                for start in range(0, len(self._vectors), BLOCK)
            ]
        )
        order = np.argsort(-scores, kind="stable")[:depth]
        return [(self._ids[place], float(scores[place])) for place in order]


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


def indexed_text(passage: Passage) -> str:
    """What is encoded of a passage: its title, where it has one, and its text."""
    return f"{passage.title} {passage.text}" if passage.title else passage.text
