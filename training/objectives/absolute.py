"""Absolute relevance: scores as log odds, above 0 for the relevant and below for the rest."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from training.objectives.rows import mean_of_rows, read


def absolute_relevance(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Binary cross-entropy of every passage: its score is the log odds of being relevant.

    It is meant for scores read against a null candidate, and fixes the constant of a row that
    ranking losses leave free. Rows without a positive teach it too. A label between 0 and 1 is a
    probability; from 1 on a passage is relevant.

    Args:
        scores: `(batch, passages)` identifier logits less the null candidate's.
        labels: `(batch, passages)` graded relevance, at least 0.
        mask: `(batch, passages)` bool, true for real passages.
    """
    scores, labels = read(scores, labels, mask)
    losses = binary_cross_entropy_with_logits(scores, labels.clamp(0, 1), reduction="none")
    counts = mask.sum(1)
    means = losses.masked_fill(~mask, 0).sum(1) / counts.clamp(min=1)
    return mean_of_rows(means, counts > 0)
