"""ADR-MSE: a teacher's ranks, learnt as numbers."""

from torch import Tensor

from training.objectives.gains import discounts
from training.objectives.ranks import mean_ranks_of_labels
from training.objectives.rows import comparable, mean_of_rows, read
from training.objectives.smooth import approximate_ranks


def adr_mse(scores: Tensor, labels: Tensor, mask: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Approximated, discounted rank MSE: the mean over passages of (r_i − r̂_i)² / log2(1 + r_i).

    Schlatt et al., "Rank-DistiLLM: Closing the Effectiveness Gap Between Cross-Encoders and LLMs
    for Passage Re-ranking", ECIR 2025, arXiv 2405.07920. r are the true ranks, r̂ as in
    `approximate_ranks`. Tied labels share the mean of the ranks they span, which equal scores
    attain. The mean is over a row's passages, then over the rows whose labels differ;
    sentence-transformers' `ADRMSELoss` takes one mean over the passages of the whole batch.

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance, or `labels_of_ranks` of a teacher's ranking.
        mask: `(batch, passages)` bool, true for real passages.
        alpha: multiplies differences of scores.
    """
    scores, labels = read(scores, labels, mask)
    true = mean_ranks_of_labels(labels, mask)
    error = (true - approximate_ranks(scores, mask, alpha=alpha)) ** 2
    # Padding has rank 0, whose discount is 0.
    weighted = (error / discounts(true.clamp(min=1))) * mask
    return mean_of_rows(weighted.sum(1) / mask.sum(1).clamp(min=1), comparable(labels, mask))
