"""How sure a difference is: bootstrap intervals, paired randomisation tests, Holm's correction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
PERMUTATIONS = 100_000
EXACT_UP_TO = 14
_CHUNK = 4_096
_ROUNDING = 1e-12

Values = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The mean difference second - first, its p-value, and that value after Holm's correction."""

    first: str
    second: str
    difference: float
    p_value: float
    adjusted: float


def bootstrap(values: Values, *, level: float = 0.95, seed: int = 0) -> Interval:
    """The percentile bootstrap interval of a mean over queries (Efron, 1979)."""
    array = np.asarray(values, dtype=np.float64)
    generator = np.random.default_rng(seed)
    means = [
        array[generator.integers(0, len(array), (chunk, len(array)))].mean(axis=1)
        for chunk in _chunks(RESAMPLES)
    ]
    outside = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [outside, 1 - outside])
    return Interval(float(array.mean()), float(low), float(high))


def randomisation_test(first: Values, second: Values, *, seed: int = 0) -> float:
    """The two-sided p-value of Fisher's paired randomisation test (Smucker et al., CIKM 2007).

    Under the null hypothesis each query's difference could as well have the other sign. With up
    to 14 differing queries all signs are tried; with more, 100,000 drawn at random.
    """
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    differences = differences[differences != 0]
    least = abs(differences.sum()) - _ROUNDING
    if len(differences) <= EXACT_UP_TO:
        return float((abs(_all_signs(len(differences)) @ differences) >= least).mean())
    generator = np.random.default_rng(seed)
    reached = sum(
        int((abs(_random_signs(generator, chunk, len(differences)) @ differences) >= least).sum())
        for chunk in _chunks(PERMUTATIONS)
    )
    return (reached + 1) / (PERMUTATIONS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, step by step (Holm, 1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def compare(scores: Mapping[str, Values]) -> list[Comparison]:
    """Every pair of the runs tested, in order; the values of all are of the same queries."""
    pairs = list(combinations(scores, 2))
    p_values = [randomisation_test(scores[first], scores[second]) for first, second in pairs]
    return [
        Comparison(first, second, float(np.mean(scores[second]) - np.mean(scores[first])), p, q)
        for (first, second), p, q in zip(pairs, p_values, holm(p_values), strict=True)
    ]


def _chunks(total: int) -> list[int]:
    """`total` in parts small enough to hold one row a resample in memory."""
    return [min(_CHUNK, total - start) for start in range(0, total, _CHUNK)]


def _all_signs(count: int) -> NDArray[np.float64]:
    """Every way to give `count` differences a sign, (2 ** count, count)."""
    bits = np.arange(2**count)[:, None] >> np.arange(count)
    return np.where(bits & 1, -1.0, 1.0)


def _random_signs(generator: np.random.Generator, rows: int, count: int) -> NDArray[np.float64]:
    """Signs drawn at random, (rows, count)."""
    return generator.choice((-1.0, 1.0), (rows, count))
