"""How well scores compare between queries: AUC, calibration error, and rankings merged of parts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BINS = 10

Floats = Sequence[float] | NDArray[np.float64]


def auc(scores: Floats, relevant: Sequence[bool]) -> float:
    """The chance that a relevant passage scores above another, ties half; all queries pooled.

    Raises:
        ValueError: where all are relevant, or none.
    """
    values, positive = np.asarray(scores, float), np.asarray(relevant, bool)
    counts = positive.sum(), (~positive).sum()
    if not all(counts):
        raise ValueError("an AUC needs relevant passages and others")
    _, inverse, repeated = np.unique(values, return_inverse=True, return_counts=True)
    # The mean rank of each value, from 1.
    ranks = (np.cumsum(repeated) - (repeated - 1) / 2)[inverse]
    above = ranks[positive].sum() - counts[0] * (counts[0] + 1) / 2
    return float(above / (counts[0] * counts[1]))


def calibration_error(probabilities: Floats, relevant: Sequence[bool]) -> float:
    """The expected calibration error (Naeini et al., AAAI 2015), over ten bins of equal width."""
    values, positive = np.asarray(probabilities, float), np.asarray(relevant, float)
    bins = np.minimum((values * BINS).astype(int), BINS - 1)
    gaps = [
        abs(values[bins == number].sum() - positive[bins == number].sum()) for number in range(BINS)
    ]
    return float(sum(gaps) / len(values))


def merged(parts: Sequence[Sequence[tuple[str, float]]]) -> list[str]:
    """The ids of several rankings, by their scores alone; equal ones as they stand."""
    entries = [entry for part in parts for entry in part]
    return [id_ for id_, _ in sorted(entries, key=lambda entry: -entry[1])]
