"""A head whose logits are float32, whatever the model computes in."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ExactHead(nn.Module):
    """A linear head, or some of its rows, computed in float32 at least.

    Logits near 20 come in steps of an eighth out of a head in bfloat16: coarser than what tells
    two good passages apart, and summed up over a query's tokens where its likelihood is read.

    Args:
        head: `(vocabulary, width)`.
        rows: which of its rows are kept; all where this is None.
    """

    def __init__(self, head: nn.Linear, rows: Tensor | None = None) -> None:
        super().__init__()
        kept = slice(None) if rows is None else rows
        self.dtype = torch.promote_types(head.weight.dtype, torch.float32)
        self.weight = nn.Parameter(head.weight.detach()[kept].to(self.dtype), requires_grad=False)
        bias = None if head.bias is None else head.bias.detach()[kept].to(self.dtype)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def forward(self, states: Tensor) -> Tensor:
        """`(…, width)` to logits `(…, rows)`."""
        return F.linear(states.to(self.dtype), self.weight, self.bias)
