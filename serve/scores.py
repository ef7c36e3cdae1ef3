"""Scores between 0 and 1, for clients that expect them so."""

from collections.abc import Sequence

import numpy as np

_GAP = 1e-7


def unit_scores(logits: Sequence[float], *, absolute: bool = False) -> list[float]:
    """A request's logits as scores in [0, 1]: the sigmoid of each one's distance to their mean.

    Identifier logits are known up to a constant of the request, which the mean takes out: 0.5 is
    as good as the request's passages are on average. Like the logits, the scores compare the
    passages of one request and not those of two. Absolute logits are log odds, and have no
    constant: their sigmoid is the probability of being relevant, in any request.

    Args:
        logits: finite and strictly falling, `(passages,)`.
        absolute: whether they are log odds.

    Returns:
        Scores in [0, 1], falling by at least 1e-7 from one to the next, so that single precision
        tells them apart; `(passages,)`.
    """
    if not logits:
        return []
    centred = np.asarray(logits, dtype=np.float64) - (0.0 if absolute else np.mean(logits))
    # tanh never overflows.
    scores = 0.5 * (1.0 + np.tanh(0.5 * centred))
    # Each at most its predecessor less the gap, then each at least its successor more the gap.
    gaps = _GAP * np.arange(len(scores))
    down = np.minimum.accumulate(scores + gaps) - gaps
    up = np.maximum.accumulate((np.maximum(down, 0.0) - gaps[::-1])[::-1])[::-1] + gaps[::-1]
    return np.minimum(up, 1.0).tolist()  # type: ignore[no-any-return]
