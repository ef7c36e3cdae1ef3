"""Ranks (1 = best) and labels (higher = better), each made out of the other.

Whatever is made here is detached: a target never carries a gradient, even when it is read off
the model's own scores. Real passages come first only in rank, in any place of the row; padding
has rank 0.
"""

import torch
from torch import Tensor

from training.objectives.rows import hidden, pairs


def labels_of_ranks(ranks: Tensor, mask: Tensor) -> Tensor:
    """Integer labels out of a teacher's ranks: n for the best of n passages, 1 for the last.

    A passage that the teacher did not rank (rank 0 or less) gets label 0, below every ranked one;
    so does padding. Ranks that are shared stay shared.

    Args:
        ranks: `(batch, passages)` whole numbers, 1 = best.
        mask: `(batch, passages)` bool, true for real passages.

    Returns:
        `(batch, passages)` int64.
    """
    whole = ranks.detach().long()
    below = mask.sum(1, keepdim=True) + 1 - whole
    return torch.where(mask & (whole > 0), below, torch.zeros_like(whole))


def ranks_of_labels(labels: Tensor, mask: Tensor) -> Tensor:
    """Integer ranks out of labels: one more than the number of passages labelled higher.

    Tied passages share the best rank of their group (1, 2, 2, 4), so that a rank depends on
    labels alone, never on the place in the row. `mean_ranks_of_labels` shares the mean instead.

    Args:
        labels: `(batch, passages)` graded relevance, higher = better.
        mask: `(batch, passages)` bool, true for real passages.

    Returns:
        `(batch, passages)` int64, 0 for padding.
    """
    return (pairs(labels.detach(), mask).sum(1) + 1) * mask


def mean_ranks_of_labels(labels: Tensor, mask: Tensor) -> Tensor:
    """Ranks with ties at the mean of the ranks they span (1, 2.5, 2.5, 4); 0 for padding.

    Returns:
        `(batch, passages)` floating point, of the labels' dtype where that is floating.
    """
    ahead = pairs(labels.detach(), mask)
    dtype = labels.dtype if labels.is_floating_point() else torch.get_default_dtype()
    real = mask.sum(1, keepdim=True)
    return ((ahead.sum(1) - ahead.sum(2) + real + 1).to(dtype) / 2) * mask


def ranks_of_scores(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """The model's own ranks, all different: `(batch, passages)` int64, padding after the rest.

    Tied scores are ranked worst first, the lower label ahead: ranks then depend on scores and
    labels alone, never on the place in the row, and a model whose scores are all equal is told
    everything that it has yet to learn.
    """
    worst_first = hidden(labels.detach(), mask).argsort(dim=1, stable=True)
    visible = hidden(scores.detach(), mask).gather(1, worst_first)
    order = worst_first.gather(1, visible.argsort(dim=1, descending=True, stable=True))
    return order.argsort(dim=1) + 1
