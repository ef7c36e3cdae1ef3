"""A dense retriever's model as a pointwise reranker."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.baselines.scored import Scores, ScoringRanker
from benchmarks.kept_vectors import encoder_print
from benchmarks.reranking import MeasuredReranker
from data.dense import SentenceEncoder
from data.teacher import DenseTeacher
from reranker.passage import Passage


class BiEncoder:
    """Scores a passage by the dot product of its vector and the query's."""

    def __init__(self, teacher: DenseTeacher) -> None:
        self._teacher = teacher

    def score(self, query: str, passages: Sequence[Passage]) -> Scores:
        """The dot products, over the temperature of the model's training; tokens are not told."""
        [values] = self._teacher.score([query], passages)
        return Scores(values.tolist(), range(len(passages)), 0)


def bi_encoder(model: str) -> MeasuredReranker:
    """A sentence-transformers model, by name or folder; a vector that it gives tells its weights.

    Raises:
        MissingExtraError: where sentence-transformers is not installed.
        ModelError: for a model that cannot be loaded.
    """
    encoder = SentenceEncoder(model)
    told = {"model": Path(model).name, "weights": encoder_print(encoder)}
    ranker = ScoringRanker(BiEncoder(DenseTeacher(encoder)))
    return MeasuredReranker("bi-encoder", {**told, "tokens": "not counted"}, ranker)
