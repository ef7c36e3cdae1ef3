"""Language modelling over the target permutation: the text that a generating reranker would write.

The logits are aligned with their targets: `logits[row, t]` is what predicts `targets[row, t]`.
The shift by one token is the caller's.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from reranker.errors import InputError
from training.objectives.rows import mean_of_rows


def language_modelling(
    logits: Tensor, targets: Tensor, mask: Tensor, ranks: Tensor | None = None
) -> Tensor:
    """The mean negative log-likelihood of the tokens of the target permutation.

    Pradeep et al., "RankZephyr: Effective and Robust Zero-Shot Listwise Reranking is a Breeze!",
    arXiv 2312.02724. The mean is over a row's tokens, then over the rows that have any;
    transformers takes one mean over the tokens of the whole batch, where a long permutation
    counts for more.

    Args:
        logits: `(batch, tokens, vocabulary)` floating.
        targets: `(batch, tokens)` token ids; anything (such as −100) where `mask` is false.
        mask: `(batch, tokens)` bool, true for the tokens of the permutation.
        ranks: not read; taken so that both losses of this file are called alike.
    """
    losses = _token_losses(logits, targets, mask)
    return _mean_over_tokens(losses, mask)


def importance_aware(logits: Tensor, targets: Tensor, mask: Tensor, ranks: Tensor) -> Tensor:
    """Language modelling that minds the top: the tokens of rank i weigh 1 + 1/log2(i + 1).

    Liu et al., "Sliding Windows Are Not the End: Exploring Full Ranking with Long-Context Large
    Language Models", ACL 2025. Separators weigh 1. The divisor is the number of tokens, as in the
    paper's code, not the sum of weights.

    Args:
        logits: `(batch, tokens, vocabulary)` floating.
        targets: `(batch, tokens)` token ids; anything (such as −100) where `mask` is false.
        mask: `(batch, tokens)` bool, true for the tokens of the permutation.
        ranks: `(batch, tokens)` whole numbers: i for the tokens of the identifier at rank i
            (1 = best), 0 for separators.
    """
    if ranks.shape != targets.shape:
        raise InputError(
            f"ranks must be (batch, tokens) as targets are, found {tuple(ranks.shape)} and "
            f"{tuple(targets.shape)}; give 0 for separators and padding"
        )
    losses = _token_losses(logits, targets, mask)
    return _mean_over_tokens(losses * importance_weights(ranks).to(losses.dtype), mask)


def importance_weights(ranks: Tensor) -> Tensor:
    """1 + 1/log2(i + 1) for rank i (2 for the best), 1 for separators (rank 0); same shape."""
    weights = 1 + 1 / torch.log2(1 + ranks.detach().clamp(min=1))
    return torch.where(ranks > 0, weights, torch.ones_like(weights))


def _mean_over_tokens(losses: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum(1)
    return mean_of_rows(losses.sum(1) / count.clamp(min=1), count > 0)


def _token_losses(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Each token's negative log-likelihood, 0 where `mask` is false; `(batch, tokens)`."""
    if logits.dim() != 3 or not logits.shape[:2] == targets.shape == mask.shape:
        raise InputError(
            "logits must be (batch, tokens, vocabulary), targets and mask (batch, tokens), found "
            f"{tuple(logits.shape)}, {tuple(targets.shape)} and {tuple(mask.shape)}"
        )
    if mask.dtype != torch.bool:
        raise InputError(f"mask must be bool, true for target tokens, found {mask.dtype}")
    # Only rows of the vocabulary that are read are widened: the rest would be most of the memory.
    read = logits[mask]
    wide = read if read.dtype == torch.float64 else read.float()
    losses = F.cross_entropy(wide, targets[mask], reduction="none")
    return torch.zeros(mask.shape, dtype=wide.dtype, device=mask.device).masked_scatter(
        mask, losses
    )
