"""RankNet, and FIRST's weighted RankNet: every pair of differently labelled passages counts."""

import torch.nn.functional as F
from torch import Tensor

from training.objectives.ranks import ranks_of_labels
from training.objectives.rows import differences, mean_of_rows, pairs, read


def ranknet(scores: Tensor, labels: Tensor, mask: Tensor, *, temperature: float = 1.0) -> Tensor:
    """RankNet: the mean over pairs y_i > y_j of softplus((s_j − s_i) / temperature).

    Burges et al., "Learning to Rank using Gradient Descent", ICML 2005. The mean is over a row's
    pairs first, then over the rows that have any: a long row counts as much as a short one.
    Tied labels make no pair. Natural logarithm: sentence-transformers' `RankNetLoss` is this
    over ln 2, and takes its mean over the pairs of the whole batch.

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance, higher = better.
        mask: `(batch, passages)` bool, true for real passages.
        temperature: divides the scores.
    """
    scores, labels = read(scores, labels, mask, temperature=temperature)
    better = pairs(labels, mask)
    return _mean_over_pairs(scores, better, better.to(scores.dtype))


def weighted_ranknet(
    scores: Tensor, labels: Tensor, mask: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """FIRST's loss: the mean over pairs r_i < r_j of softplus(s_j − s_i) / (r_i + r_j).

    Reddy et al., "FIRST: Faster Improved Listwise Reranking with Single Token Decoding", EMNLP
    2024, arXiv 2406.15657. r are the true ranks, 1 = best; tied labels share the best rank of
    their group (`ranks_of_labels`) and make no pair. The divisor is the number of pairs, not the
    sum of weights. Ranks come from the labels of each row, detached: the paper's own code takes
    them from the model's sorted logits, which changes the gradient. FIRST trains with this ten
    times over beside the language-modelling loss (`joint`).

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance, or `labels_of_ranks` of a teacher's ranking.
        mask: `(batch, passages)` bool, true for real passages.
        temperature: divides the scores.
    """
    scores, labels = read(scores, labels, mask, temperature=temperature)
    ranks = ranks_of_labels(labels, mask)
    sums = (ranks.unsqueeze(2) + ranks.unsqueeze(1)).clamp(min=1)
    better = pairs(labels, mask)
    return _mean_over_pairs(scores, better, better / sums.to(scores.dtype))


def _mean_over_pairs(scores: Tensor, better: Tensor, weights: Tensor) -> Tensor:
    # Not F.softplus: it turns linear above 20, which is inexact in double precision.
    losses = -F.logsigmoid(differences(scores)) * weights
    count = better.flatten(1).sum(1)
    return mean_of_rows(losses.flatten(1).sum(1) / count.clamp(min=1), count > 0)
