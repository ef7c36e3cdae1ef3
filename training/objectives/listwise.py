"""ListNet and softmax cross-entropy: the scores of a row read as one distribution."""

import torch
from torch import Tensor

from reranker.errors import SettingsError
from training.objectives.rows import check_positive, comparable, hidden, mean_of_rows, read


def listnet(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
    label_temperature: float = 1.0,
) -> Tensor:
    """ListNet (top one): −Σ softmax(y / label_temperature)·log softmax(s / temperature).

    Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007. The
    objective for a teacher's scores as labels: a high `label_temperature` softens the teacher. A
    row of equal labels counts for nothing; elsewhere tied passages are pulled together. The
    least value is the entropy of the target, not 0.

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance or a teacher's scores, higher = better.
        mask: `(batch, passages)` bool, true for real passages.
        temperature: divides the scores.
        label_temperature: divides the labels.
    """
    check_positive("label_temperature", label_temperature)
    scores, labels = read(scores, labels, mask, temperature=temperature)
    targets = torch.softmax(hidden(labels / label_temperature, mask), 1)
    return mean_of_rows(_cross_entropy(scores, targets, mask), comparable(labels, mask))


def softmax_cross_entropy(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor,
    *,
    relevant_from: float = 1.0,
    graded: bool = False,
    temperature: float = 1.0,
) -> Tensor:
    """Cross-entropy: −log softmax(s / temperature) of the positive passage.

    With several positives, the mean over them: every one is a target of the same weight, or,
    where `graded`, every passage is one in proportion to its label (Bruch et al., "An Analysis of
    the Softmax Cross Entropy Loss for Learning-to-Rank with Binary Relevance", ICTIR 2019). A row
    without a positive, or of nothing but positives, counts for nothing. Labels that are not
    grades need their own `relevant_from`: `labels_of_ranks` gives 1 even to the last passage.

    Args:
        scores: `(batch, passages)` identifier logits.
        labels: `(batch, passages)` graded relevance, higher = better.
        mask: `(batch, passages)` bool, true for real passages.
        relevant_from: the least label of a positive.
        graded: take the labels as the positives' weights, whatever `relevant_from`.
        temperature: divides the scores.
    """
    if isinstance(relevant_from, bool) or not isinstance(relevant_from, int | float):
        raise SettingsError(f"relevant_from must be a number, found {relevant_from!r}")
    scores, labels = read(scores, labels, mask, temperature=temperature)
    relevant = labels if graded else (labels >= relevant_from).to(scores.dtype)
    positive = relevant.masked_fill(~mask, 0)
    targets = positive / positive.sum(1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
    return mean_of_rows(_cross_entropy(scores, targets, mask), comparable(positive, mask))


def _cross_entropy(scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    logs = torch.log_softmax(hidden(scores, mask), 1)
    return -(targets * logs.masked_fill(~mask, 0)).sum(1)
