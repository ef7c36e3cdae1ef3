"""ListMLE and p-ListMLE: the likelihood of the true permutation, drawn passage by passage."""

import torch
from torch import Tensor

from training.objectives.rows import comparable, hidden, mean_of_rows, read


def listmle(scores: Tensor, labels: Tensor, mask: Tensor, *, temperature: float = 1.0) -> Tensor:
    """ListMLE: −Σ_k log(e^{s_π(k)} / Σ_{j≥k} e^{s_π(j)}), π the true permutation.

    Xia et al., "Listwise Approach to Learning to Rank: Theory and Algorithm", ICML 2008. Labels
    with ties name no permutation. Where other implementations draw one at random, each passage
    is here compared with all that are labelled no higher, itself and its ties among them
    (Breslow's form of the same likelihood): the order in which candidates stand changes nothing,
    and tied passages are pulled together. A row of equal labels counts for nothing.

    The sum grows with the row's length; the mean is over rows.

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance, or `labels_of_ranks` of a teacher's ranking.
        mask: `(batch, passages)` bool, true for real passages.
        temperature: divides the scores.
    """
    scores, labels = read(scores, labels, mask, temperature=temperature)
    steps = _steps(scores, labels, mask)
    return mean_of_rows(steps.sum(1), comparable(labels, mask))


def p_listmle(scores: Tensor, labels: Tensor, mask: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Position-aware ListMLE: step k weighs 2^{n−k} − 1, the weights of a row made to sum to 1.

    Lan et al., "Position-Aware ListMLE: A Sequential Learning Process for Ranking", UAI 2014.
    Without that sum the first step of 20 passages would weigh half a million, of 130 more than
    single precision holds. Tied passages share the mean of the weights of the ranks they span;
    all else is as in `listmle`.

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance, or `labels_of_ranks` of a teacher's ranking.
        mask: `(batch, passages)` bool, true for real passages.
        temperature: divides the scores.
    """
    scores, labels = read(scores, labels, mask, temperature=temperature)
    steps = _steps(scores, labels, mask) * _position_weights(labels, mask)
    return mean_of_rows(steps.sum(1), comparable(labels, mask))


def _steps(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """log Σ_{y_j ≤ y_i} e^{s_j} − s_i for each passage i, 0 for padding; `(batch, passages)`."""
    rest = (labels.unsqueeze(1) <= labels.unsqueeze(2)) & mask.unsqueeze(1)
    among = hidden(scores.unsqueeze(1).expand_as(rest), rest)
    steps = torch.logsumexp(among, 2) - scores
    return torch.where(mask, steps, torch.zeros_like(steps))


def _position_weights(labels: Tensor, mask: Tensor) -> Tensor:
    """2^{n−k} − 1 over their sum, ties sharing theirs; `(batch, passages)`, 0 for padding."""
    best_first = hidden(labels, mask).argsort(dim=1, descending=True, stable=True)
    ranks = (best_first.argsort(dim=1) + 1).to(labels.dtype)
    real = mask.sum(1, keepdim=True)
    # 2^-k − 2^-n is the same weight over 2^n, and cannot overflow.
    weights = (torch.exp2(-ranks) - torch.exp2(-real.to(labels.dtype))) * mask
    tied = ((labels.unsqueeze(1) == labels.unsqueeze(2)) & mask.unsqueeze(1)).to(labels.dtype)
    shared = (tied @ weights.unsqueeze(2)).squeeze(2) / tied.sum(2).clamp(min=1) * mask
    return shared / shared.sum(1, keepdim=True).clamp(min=torch.finfo(labels.dtype).tiny)
