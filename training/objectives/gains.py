"""Gains and discounts of nDCG, the parts that metric-driven objectives share."""

import math

import torch
from torch import Tensor


def discounts(ranks: Tensor) -> Tensor:
    """`log2(1 + rank)`, by which a gain at that rank is divided; floating point, same shape."""
    return torch.log2(1 + ranks)


def normalised_gains(labels: Tensor, *, k: int | None = None) -> Tensor:
    """`(2^y − 1) / maxDCG@k`, `(batch, passages)`; 0 throughout a row without a positive label.

    Labels below 0 gain nothing, as label 0. Numerator and maxDCG are both divided by 2^(highest
    label of the row), so that labels made of a hundred ranks do not overflow.

    Args:
        labels: `(batch, passages)` floating, 0 for padding.
        k: the depth of the ideal ranking; None for the whole row.
    """
    grades = labels.clamp(min=0)
    gains = torch.exp2(grades - grades.amax(1, keepdim=True)) * -torch.expm1(-grades * math.log(2))
    best = gains.sort(dim=1, descending=True).values[:, :k]
    ranks = torch.arange(1, best.shape[1] + 1, device=labels.device, dtype=labels.dtype)
    ideal = (best / discounts(ranks)).sum(1, keepdim=True)
    return gains / ideal.clamp(min=torch.finfo(labels.dtype).tiny)
