"""Scores of a whole ranking out of the logits of its windows.

A window's logits are known up to a constant of that window: they say who goes before whom
there, not how two windows compare. The constants are found by least squares from the candidates
that windows share; a candidate's score is the mean of its aligned logits; then the scores are
made to fall strictly along the order that the strategy returned (isotonic regression).
For a single window the scores are its logits.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_GAP = 1e-6


def ranking_scores(
    order: Sequence[int], windows: Sequence[tuple[Sequence[int], Sequence[float]]]
) -> list[float]:
    """Finite, strictly falling scores along `order`, in logits of the last window.

    Args:
        order: all candidates, best first.
        windows: `(candidates, logits)` of each window, in the order of scoring.

    Returns:
        One score a candidate, in the order of `order`; neighbours differ by at least a millionth
        of their size, so that single precision still tells them apart.
    """
    if not order:
        return []
    aligned = _align(windows)
    lowest = min(aligned.values(), default=0.0)
    scores = np.array([aligned.get(place, lowest) for place in order])
    return _strict(_falling(scores))


def _align(windows: Sequence[tuple[Sequence[int], Sequence[float]]]) -> Mapping[int, float]:
    """Each candidate's mean logit, every window's shifted by its least-squares constant."""
    if len(windows) == 1:
        return dict(zip(*windows[0], strict=True))
    columns = {place: i for i, place in enumerate(dict.fromkeys(p for w, _ in windows for p in w))}
    seen = np.zeros((len(windows), len(columns)))
    logits = np.zeros_like(seen)
    for row, (places, values) in enumerate(windows):
        at = [columns[place] for place in places]
        seen[row, at], logits[row, at] = 1.0, values
    shifts = _shifts(seen, logits)
    means = (logits - shifts[:, None] * seen).sum(0) / seen.sum(0)
    return dict(zip(columns, means.tolist(), strict=True))


def _shifts(seen: NDArray[np.float64], logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The constants b minimising the sum over windows w and candidates i of
    (logit_wi - b_w - score_i)², the last window's being 0; `(windows,)`.
    """
    share = seen / seen.sum(0)
    laplacian = np.diag(seen.sum(1)) - share @ seen.T
    target = (logits - share * logits.sum(0)).sum(1)
    shifts, *_ = np.linalg.lstsq(laplacian, target, rcond=None)
    constants: NDArray[np.float64] = shifts - shifts[-1]
    return constants


def _falling(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The closest sequence that never rises (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for score in scores.tolist():
        total, count = score, 1
        while pools and pools[-1][0] / pools[-1][1] < total / count:
            before, size = pools.pop()
            total, count = total + before, count + size
        pools.append((total, count))
    return np.concatenate([np.full(count, total / count) for total, count in pools])


def _strict(scores: NDArray[np.float64]) -> list[float]:
    """Neighbours set apart by a hair where they tie."""
    strict: list[float] = []
    for score in scores.tolist():
        ceiling = strict[-1] - _GAP * max(1.0, abs(strict[-1])) if strict else score
        strict.append(min(score, ceiling))
    return strict
