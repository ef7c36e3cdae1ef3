"""What every ranking objective does with its rows: check them, hide padding, average them."""

import torch
from torch import Tensor

from reranker.errors import InputError, SettingsError


def read(
    scores: Tensor, labels: Tensor, mask: Tensor, *, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Scores over `temperature` and labels, `(batch, passages)`, both 0 where `mask` is false.

    Half precision is read as single, since sums over pairs and powers of two need its range.
    No gradient passes to a padded score, whatever stands there, nor to any label.

    Raises:
        InputError: for tensors of other shapes than one `(batch, passages)`, or no bool mask.
        SettingsError: for a temperature that is not above 0.
    """
    check_shapes(scores, labels, mask)
    check_positive("temperature", temperature)
    wide = scores if scores.dtype == torch.float64 else scores.float()
    scaled = wide.masked_fill(~mask, 0) / temperature
    return scaled, labels.detach().to(wide.dtype).masked_fill(~mask, 0)


def mean_of_rows(losses: Tensor, counted: Tensor) -> Tensor:
    """The mean of `losses` `(batch,)` over the rows that `counted` `(batch,)` marks.

    Exactly 0, and still part of the graph, where no row counts.
    """
    kept = torch.where(counted, losses, torch.zeros_like(losses))
    return kept.sum() / counted.sum().clamp(min=1)


def pairs(labels: Tensor, mask: Tensor) -> Tensor:
    """Which passage i is labelled above which j, both real: bool `(batch, passages, passages)`."""
    return (labels.unsqueeze(2) > labels.unsqueeze(1)) & mask.unsqueeze(2) & mask.unsqueeze(1)


def differences(values: Tensor) -> Tensor:
    """`values_i − values_j` at `[row, i, j]`: `(batch, passages, passages)`."""
    return values.unsqueeze(2) - values.unsqueeze(1)


def comparable(labels: Tensor, mask: Tensor) -> Tensor:
    """Which rows have at least two real passages with different labels: bool `(batch,)`."""
    return pairs(labels, mask).flatten(1).any(1)


def hidden(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores with the least finite number where `mask` is false.

    Minus infinity would make the gradient of a softmax over nothing but padding NaN.
    """
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def check_positive(name: str, value: object) -> None:
    """Refuse an option that is no number above 0.

    Raises:
        SettingsError: naming the option.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e30:
        raise SettingsError(f"{name} must be a number above 0, found {value!r}")


def check_cutoff(k: object) -> None:
    """Refuse a cut-off that is neither None nor a whole number of passages.

    Raises:
        SettingsError: for such a cut-off.
    """
    if k is not None and (isinstance(k, bool) or not isinstance(k, int) or k < 1):
        raise SettingsError(f"k must be a whole number of at least 1, or None, found {k!r}")


def check_shapes(scores: Tensor, labels: Tensor, mask: Tensor) -> None:
    """Refuse tensors that are not all `(batch, passages)`, floating scores and a bool mask.

    Raises:
        InputError: for such tensors.
    """
    shapes = [tuple(tensor.shape) for tensor in (scores, labels, mask)]
    if scores.dim() != 2 or len(set(shapes)) > 1:
        raise InputError(
            "scores, labels and mask must all be (batch, passages), found shapes "
            f"{shapes[0]}, {shapes[1]} and {shapes[2]}; pad every row to the longest"
        )
    if mask.dtype != torch.bool or not scores.is_floating_point():
        raise InputError(
            f"scores must be floating point and mask bool, found {scores.dtype} and {mask.dtype}; "
            "give a mask that is true for real passages"
        )
