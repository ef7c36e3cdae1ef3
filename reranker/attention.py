"""Attention over rows packed into one sequence, each row on its own.

Registered with transformers under `PACKED`. A model set to it runs its linear layers over one
long sequence of all rows, and its attention row by row with torch's fused kernel, causally or as
the row's levels say: no padding, and nothing of one row in another.
"""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reranker.errors import EngineError
from reranker.packed_rows import Rows

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
    packed_rows: Rows | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention within each row.

    Args:
        query: `(1, heads, tokens, head_dim)`; `key` and `value` `(1, kv_heads, tokens, head_dim)`.
        attention_mask: what `band_of_mask` made.
        packed_rows: the rows that the tokens make up.

    Returns:
        `(1, tokens, heads, head_dim)`, and no weights.

    Raises:
        EngineError: for attention that this function does not compute exactly.
    """
    if packed_rows is None:
        raise EngineError(f"attention {PACKED!r} needs packed_rows; call the model by the engine")
    if asked := [name for name in _UNSUPPORTED if options.get(name) is not None]:
        raise EngineError(f"the model's attention uses {asked}, which {PACKED!r} does not compute")
    if attention_mask is not None and attention_mask.ndim:
        raise EngineError(f"the model makes a mask of its own, which {PACKED!r} does not compute")
    band = None if attention_mask is None else int(attention_mask)
    sdpa = partial(
        products if _slow_back(query) else F.scaled_dot_product_attention,
        dropout_p=dropout,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    layer = int(getattr(module, "layer_idx", 0))
    attended = packed_rows.attend(layer, query, key, value, band, sdpa)
    return attended.transpose(1, 2).contiguous(), None


def products(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """As torch's fused kernel, in plain products; key and value heads are never repeated."""
    rows, heads, tokens, width = query.shape
    kv_heads, read = key.shape[1:3]
    if is_causal:
        attn_mask = torch.ones(tokens, read, dtype=torch.bool, device=query.device).tril()
    # The query heads that share a key head are further rows of one product.
    grouped = query.reshape(rows, kv_heads, heads // kv_heads * tokens, width)
    scores = (grouped @ key.transpose(-1, -2)).view(rows, heads, tokens, read)
    scores = scores * (width**-0.5 if scale is None else scale)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, float("-inf"))
    weights = F.dropout(scores.softmax(-1), dropout_p)
    mixed = weights.view(rows, kv_heads, -1, read) @ value
    return mixed.view(rows, heads, tokens, width)


def _slow_back(query: Tensor) -> bool:
    """Where the fused kernel's way back is slow: half precision on a CPU.

    Measured with torch 2.13: for 60 to 240 tokens 1.3 to 3 times as long as plain products.
    """
    half = query.dtype in (torch.bfloat16, torch.float16)
    return half and query.device.type == "cpu" and query.requires_grad
