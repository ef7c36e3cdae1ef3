"""Measures of one ranking against its judgments, as trec_eval computes them."""

from collections.abc import Mapping, Sequence
from math import log2


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], k: int = 10) -> float:
    """nDCG@k with linear gains (Järvelin and Kekäläinen, 2002), in [0, 1]; 0 without a relevant."""
    ideal = _dcg(sorted(grades.values(), reverse=True)[:k])
    return _dcg([grades.get(id_, 0) for id_ in ranked[:k]]) / ideal if ideal else 0.0


def recall(
    ranked: Sequence[str], grades: Mapping[str, int], k: int, *, relevant_from: int = 1
) -> float:
    """The share of relevant passages among the best k, in [0, 1]; 0 without a relevant."""
    relevant = {id_ for id_, grade in grades.items() if grade >= relevant_from}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def _dcg(gains: Sequence[int]) -> float:
    return sum(max(gain, 0) / log2(rank + 1) for rank, gain in enumerate(gains, 1))
