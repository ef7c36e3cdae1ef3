"""Attention over rows packed into one sequence, each row on its own.

Registered with transformers under `PACKED`. A model set to it runs its linear layers over one
long sequence of all rows, and its attention row by row with torch's fused kernel, causally or as
the row's levels say: no padding, and nothing of one row in another.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reranker.errors import EngineError
from reranker.levels import Levels, mask, size

_Attend = Callable[..., Tensor]

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
    row_levels: Sequence[Levels] | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention within each row, as the row's levels say: causal for a row of one segment.

    Args:
        query: `(1, heads, tokens, head_dim)`; `key` and `value` `(1, kv_heads, tokens, head_dim)`.
        attention_mask: what `band_of_mask` made.
        row_levels: the structure of each row, in order; their sizes sum to `tokens`.

    Returns:
        `(1, tokens, heads, head_dim)`, and no weights.

    Raises:
        EngineError: for attention that this function does not compute exactly.
    """
    if row_levels is None:
        raise EngineError(f"attention {PACKED!r} needs row_levels; call the model by the engine")
    if asked := [name for name in _UNSUPPORTED if options.get(name) is not None]:
        raise EngineError(f"the model's attention uses {asked}, which {PACKED!r} does not compute")
    if attention_mask is not None and attention_mask.ndim:
        raise EngineError(f"the model makes a mask of its own, which {PACKED!r} does not compute")
    band = None if attention_mask is None else int(attention_mask)
    lengths = [size(levels) for levels in row_levels]
    rows = zip(*(torch.split(x, lengths, dim=2) for x in (query, key, value)), strict=True)
    attend = partial(
        F.scaled_dot_product_attention,
        dropout_p=dropout,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    attended = [
        part
        for (q, k, v), levels in zip(rows, row_levels, strict=True)
        for part in _row(q, k, v, levels, band, attend)
    ]
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous(), None


def _row(
    query: Tensor, key: Tensor, value: Tensor, levels: Levels, band: int | None, attend: _Attend
) -> Iterator[Tensor]:
    """The attention of each level of a row, `(1, heads, tokens of the level, head_dim)`."""
    start = 0
    for depth, segments in enumerate(levels):
        stop = start + sum(segments)
        q, k, v = query[:, :, start:stop], key[:, :, :stop], value[:, :, :stop]
        if start == 0 and len(segments) == 1 and (band is None or stop <= band):
            yield attend(q, k, v, is_causal=True)
        elif band is None and _wasteful(start, segments):
            yield from _segments(q, k, v, segments, attend)
        else:
            yield attend(q, k, v, attn_mask=mask(levels, depth, band, query.device))
        start = stop


def _wasteful(earlier: int, segments: Sequence[int]) -> bool:
    """Whether one masked call would compute more than twice the products that are needed."""
    own = sum(segments)
    return own * (earlier + own) > 2 * sum(n * (earlier + n) for n in segments)


def _segments(
    query: Tensor, key: Tensor, value: Tensor, segments: Sequence[int], attend: _Attend
) -> Iterator[Tensor]:
    """The attention of a level's segments one by one, over the keys before the level and its own.

    `query` is the level's, `key` and `value` reach to its end.
    """
    start = earlier = key.shape[2] - query.shape[2]
    for q in torch.split(query, list(segments), dim=2):
        tokens = q.shape[2]
        k, v = (
            torch.cat([x[:, :, :earlier], x[:, :, start : start + tokens]], dim=2)
            for x in (key, value)
        )
        yield attend(q, k, v, attn_mask=mask(((earlier,), (tokens,)), 1, None, query.device))
        start += tokens
