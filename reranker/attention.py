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
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(PACKED, packed_attention)
    AttentionMaskInterface.register(PACKED, band_of_mask)


def band_of_mask(*, local_size: int | None = None, **options: Any) -> Tensor | None:
    """In place of a mask: how many tokens a position sees, itself included; None for all before.

    Raises:
        EngineError: for a padding mask, which packed rows do not have.
    """
    if options.get("attention_mask") is not None:
        raise EngineError(f"attention {PACKED!r} takes no padding mask; rows are packed instead")
    return None if local_size is None else torch.tensor(local_size)


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
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each row.

    Args:
        query: `(1, heads, tokens, head_dim)`; `key` and `value` `(1, kv_heads, tokens, head_dim)`.
        attention_mask: what `band_of_mask` made.
        row_lengths: tokens of each row, in order; they sum to `tokens`.

    Returns:
        `(1, tokens, heads, head_dim)`, and no weights.

    Raises:
        EngineError: for attention that this function does not compute exactly.
    """
    if row_lengths is None:
        raise EngineError(f"attention {PACKED!r} needs row_lengths; call the model by the engine")
    if asked := [name for name in _UNSUPPORTED if options.get(name) is not None]:
        raise EngineError(f"the model's attention uses {asked}, which {PACKED!r} does not compute")
    if attention_mask is not None and attention_mask.ndim:
        raise EngineError(f"the model makes a mask of its own, which {PACKED!r} does not compute")
    band = None if attention_mask is None else int(attention_mask)
    lengths = list(row_lengths)
    rows = zip(*(torch.split(x, lengths, dim=2) for x in (query, key, value)), strict=True)
    attended = [_row(q, k, v, scaling, dropout, band) for q, k, v in rows]
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous(), None


def _row(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    dropout: float,
    band: int | None,
) -> Tensor:
    tokens = query.shape[2]
    banded = band is not None and tokens > band
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=_band(tokens, band or 0, query.device) if banded else None,
        is_causal=not banded,
        dropout_p=dropout,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _band(tokens: int, width: int, device: torch.device) -> Tensor:
    """`(tokens, tokens)`, true where a position sees another: itself and the `width - 1` before."""
    square = torch.ones(tokens, tokens, dtype=torch.bool, device=device)
    return square.tril() & square.triu(1 - width)
