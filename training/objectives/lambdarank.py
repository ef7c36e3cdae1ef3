"""LambdaRank and NDCG-Loss2++: RankNet's pairs weighted by what their order is worth in nDCG."""

import torch
import torch.nn.functional as F
from torch import Tensor

from training.objectives.gains import discounts, normalised_gains
from training.objectives.ranks import ranks_of_scores
from training.objectives.rows import (
    check_cutoff,
    check_positive,
    differences,
    mean_of_rows,
    pairs,
    read,
)


def lambdarank(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor,
    *,
    k: int | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """LambdaRank: Σ over pairs y_i > y_j of |G_i − G_j|·|1/D_i − 1/D_j|·softplus(s_j − s_i).

    Burges, "From RankNet to LambdaRank to LambdaMART", MSR-TR-2010-82, in the form of Wang et
    al., "The LambdaLoss Framework for Ranking Metric Optimization", CIKM 2018. G = (2^y − 1) /
    maxDCG@k and D = log2(1 + the model's present rank); the weights are detached. Summed over a
    row's pairs, then the mean over rows whose gains differ: labels of 0 and below gain alike, so
    a row of them counts for nothing. Natural logarithm.

    Tied scores are ranked worst first (`ranks_of_scores`), so all-equal scores still teach. With
    a teacher's whole ranking as labels, 2^y makes all but the best few passages nearly weightless:
    give graded judgments, or labels that fall more slowly.

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance, higher = better.
        mask: `(batch, passages)` bool, true for real passages.
        k: counts only the pairs of which at least one passage is in the model's top k, and sets
            the depth of maxDCG; None for all.
        temperature: divides the scores.
    """
    scores, labels, ranks, gaps = _prepare(scores, labels, mask, k, temperature)
    swap = differences(1 / discounts(ranks)).abs()
    return _weighted_pairs(scores, labels, mask, gaps * swap * _within(ranks, k))


def ndcg_loss2pp(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor,
    *,
    mu: float = 10.0,
    k: int | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """NDCG-Loss2++: LambdaRank's weight, and μ times a weight by the distance of two ranks.

    w_ij = |G_i − G_j|·(|1/D_i − 1/D_j| + μ·|1/D(|i−j|) − 1/D(|i−j|+1)|), i and j the model's
    ranks. Wang et al., "The LambdaLoss Framework for Ranking Metric Optimization", CIKM 2018,
    where it did best. All else is as in `lambdarank`.

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance, higher = better.
        mask: `(batch, passages)` bool, true for real passages.
        mu: weight of the second part.
        k: as in `lambdarank`.
        temperature: divides the scores.
    """
    check_positive("mu", mu)
    scores, labels, ranks, gaps = _prepare(scores, labels, mask, k, temperature)
    swap = differences(1 / discounts(ranks)).abs()
    # A passage's distance from itself has no discount, and no pair either.
    distance = differences(ranks).abs().clamp(min=1)
    step = (1 / discounts(distance) - 1 / discounts(distance + 1)).abs()
    weights = gaps * (swap + mu * step) * _within(ranks, k)
    return _weighted_pairs(scores, labels, mask, weights)


def _prepare(
    scores: Tensor, labels: Tensor, mask: Tensor, k: int | None, temperature: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    check_cutoff(k)
    scores, labels = read(scores, labels, mask, temperature=temperature)
    ranks = ranks_of_scores(scores, labels, mask).to(scores.dtype)
    gaps = differences(normalised_gains(labels, k=k)).abs()
    return scores, labels.clamp(min=0), ranks, gaps


def _within(ranks: Tensor, k: int | None) -> Tensor:
    if k is None:
        return torch.ones_like(ranks).unsqueeze(1)
    top = ranks <= k
    return (top.unsqueeze(2) | top.unsqueeze(1)).to(ranks.dtype)


def _weighted_pairs(scores: Tensor, labels: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    better = pairs(labels, mask)
    losses = -F.logsigmoid(differences(scores)) * weights * better
    return mean_of_rows(losses.flatten(1).sum(1), better.flatten(1).any(1))
