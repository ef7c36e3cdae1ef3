"""ApproxNDCG: nDCG itself, with ranks made differentiable."""

import torch
from torch import Tensor

from training.objectives.gains import discounts, normalised_gains
from training.objectives.rows import check_positive, comparable, differences, mean_of_rows, read


def approximate_ranks(scores: Tensor, mask: Tensor, *, alpha: float = 1.0) -> Tensor:
    """r̂_i = 1 + Σ_{j≠i} σ(α·(s_j − s_i)) over real j: `(batch, passages)`, tied scores half each.

    Qin et al., "A General Approximation Framework for Direct Optimization of Information
    Retrieval Measures", Information Retrieval 2010. A higher `alpha` follows the true rank more
    closely, with less gradient for passages far apart. What stands at padding has no meaning.

    Args:
        scores: `(batch, passages)` floating, finite also at padding.
        mask: `(batch, passages)` bool, true for real passages.
        alpha: multiplies differences of scores.
    """
    check_positive("alpha", alpha)
    others = mask.unsqueeze(1) & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    return 1 + (torch.sigmoid(-alpha * differences(scores)) * others).sum(2)


def approx_ndcg(scores: Tensor, labels: Tensor, mask: Tensor, *, alpha: float = 1.0) -> Tensor:
    """ApproxNDCG: −Σ_i (2^{y_i} − 1) / log2(1 + r̂_i) / maxDCG, between −1 and 0.

    Qin et al., Information Retrieval 2010 (`approximate_ranks`). A row whose gains are all equal
    counts for nothing; labels below 0 gain as label 0. The gradient dies where scores lie far
    apart, right or wrong: start from scores that are close, or choose a smaller `alpha`. 2^y
    makes all but the best few passages of a teacher's whole ranking nearly weightless.

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance, higher = better.
        mask: `(batch, passages)` bool, true for real passages.
        alpha: multiplies differences of scores.
    """
    scores, labels = read(scores, labels, mask)
    ranks = approximate_ranks(scores, mask, alpha=alpha)
    values = normalised_gains(labels) / discounts(ranks) * mask
    return mean_of_rows(-values.sum(1), comparable(labels.clamp(min=0), mask))
