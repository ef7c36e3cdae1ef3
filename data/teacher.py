"""Teachers: what says how well passages answer queries, where judgments know of few."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data.dense import Encoder, SentenceEncoder
from reranker.passage import Passage, indexed_text
from reranker.reranker import Reranker

Scores = NDArray[np.float64]

# What all-MiniLM and its kin divide cosines by when they are trained.
COSINE_TEMPERATURE = 0.05


class Teacher(Protocol):
    """Scores on a scale of log-odds: one more is e times as likely to be the better passage."""

    def score(self, queries: Sequence[str], passages: Sequence[Passage]) -> Scores:
        """How well each passage answers each query, `(queries, passages)`."""
        ...


class DenseTeacher:
    """A dense retriever as a teacher; every text's vector is computed once.

    `temperature` is what its scores are divided by in its own training.
    """

    def __init__(self, encoder: Encoder | str, *, temperature: float = COSINE_TEMPERATURE) -> None:
        self._encoder = SentenceEncoder(encoder) if isinstance(encoder, str) else encoder
        self._temperature = temperature
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def score(self, queries: Sequence[str], passages: Sequence[Passage]) -> Scores:
        """As `Teacher.score`."""
        texts = [indexed_text(passage) for passage in passages]
        new = list(dict.fromkeys(text for text in texts if text not in self._vectors))
        if new:
            self._vectors.update(zip(new, self._encoder.passages(new), strict=True))
        known = np.stack([self._vectors[text] for text in texts])
        scores: Scores = (self._encoder.queries(queries) @ known.T).astype(np.float64)
        return scores / self._temperature


class RerankerTeacher:
    """A reranker as a teacher, by the scores of its rankings."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker

    def score(self, queries: Sequence[str], passages: Sequence[Passage]) -> Scores:
        """As `Teacher.score`."""
        found = np.zeros((len(queries), len(passages)))
        rankings = self._reranker.rank_many(queries, [passages] * len(queries), progress=False)
        for row, ranking in enumerate(rankings):
            for ranked in ranking:
                found[row, ranked.index] = ranked.score
        return found
