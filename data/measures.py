"""Measures of one ranking against its judgments, as trec_eval computes them."""

from collections.abc import Iterable, Mapping, Sequence
from math import log2


def ndcg(ranked: Sequence[float], judged: Iterable[float], k: int = 10) -> float:
    """nDCG@k with linear gains (Järvelin and Kekäläinen, 2002), in [0, 1].

    Args:
        ranked: the grades of the ranked passages, best first; 0 for unjudged ones.
        judged: the grades of all judged passages, also those that are not ranked.
        k: how many of the best count.

    Returns:
        0 where no judged passage is relevant.
    """
    ideal = _dcg(sorted(judged, reverse=True)[:k])
    return _dcg(ranked[:k]) / ideal if ideal else 0.0


def ndcg_of(ids: Sequence[str], grades: Mapping[str, int], k: int = 10) -> float:
    """As `ndcg`, of ranked ids, best first, by the grades of what is judged."""
    return ndcg([grades.get(id_, 0) for id_ in ids], grades.values(), k)


def recall(
    ranked: Sequence[str], grades: Mapping[str, int], k: int, *, relevant_from: int = 1
) -> float:
    """The share of relevant passages among the best k, in [0, 1]; 0 without a relevant."""
    relevant = {id_ for id_, grade in grades.items() if grade >= relevant_from}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def _dcg(grades: Iterable[float]) -> float:
    return sum(max(grade, 0.0) / log2(rank + 1) for rank, grade in enumerate(grades, 1))
