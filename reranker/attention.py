"""Attention over rows packed into one sequence, each row on its own.

Registered with transformers under `PACKED`. A model set to it runs its linear layers over one
long sequence of all rows, and its attention row by row, causally, with torch's fused kernel:
no padding, no dense mask, and nothing of one row in another.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reranker.errors import EngineError

PACKED = "reranker_packed"
_UNSUPPORTED = ("softcap", "s_aux", "position_bias")


def register() -> None:
    """Make the attention known to transformers; once is enough, twice does no harm."""
    from transformers import AttentionInterface

    AttentionInterface.register(PACKED, packed_attention)


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    row_lengths: Sequence[int] | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each row.

    Args:
        query: `(1, heads, tokens, head_dim)`; `key` and `value` `(1, kv_heads, tokens, head_dim)`.
        row_lengths: tokens of each row, in order; they sum to `tokens`.
        sliding_window: tokens that a position sees, itself included, where the model says so.

    Returns:
        `(1, tokens, heads, head_dim)`, and no weights.

    Raises:
        EngineError: for attention that this function does not compute exactly.
    """
    if row_lengths is None:
        raise EngineError(f"attention {PACKED!r} needs row_lengths; call the model by the engine")
    if asked := [name for name in _UNSUPPORTED if options.get(name) is not None]:
        raise EngineError(f"the model's attention uses {asked}, which {PACKED!r} does not compute")
    lengths = list(row_lengths)
    parts = (torch.split(part, lengths, dim=2) for part in (query, key, value))
    attended = [
        _row(q, k, v, scaling, dropout, sliding_window) for q, k, v in zip(*parts, strict=True)
    ]
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous(), None


def _row(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    dropout: float,
    sliding_window: int | None,
) -> Tensor:
    tokens = query.shape[2]
    banded = sliding_window is not None and tokens > sliding_window
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=_band(tokens, sliding_window or 0, query.device) if banded else None,
        is_causal=not banded,
        dropout_p=dropout,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _band(tokens: int, width: int, device: torch.device) -> Tensor:
    """`(tokens, tokens)`, true where a position sees another: itself and the `width - 1` before."""
    square = torch.ones(tokens, tokens, dtype=torch.bool, device=device)
    return square.tril() & square.triu(1 - width)
