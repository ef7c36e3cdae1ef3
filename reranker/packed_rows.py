"""Rows packed into one sequence, and the attention within each."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from reranker.levels import Levels, size
from reranker.masks import mask

Attend = Callable[..., Tensor]
"""Torch's scaled dot product attention, with its options bound."""


class Rows(Protocol):
    """What a forward pass reads, and how its tokens see each other."""

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, band: int | None, sdpa: Attend
    ) -> Tensor:
        """The attention of one layer.

        Args:
            layer: its number, from 0.
            query: `(1, heads, tokens, head_dim)`; `key` and `value` `(1, kv_heads, …)`.
            band: how far back a token sees at most, itself included; None is all the way.
            sdpa: computes one call of attention.

        Returns:
            `(1, heads, tokens, head_dim)`.
        """
        ...


class PackedRows:
    """Rows one after the other, each as its levels say: causal for a row of one segment."""

    def __init__(self, levels: Sequence[Levels]) -> None:
        self.levels = tuple(levels)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, band: int | None, sdpa: Attend
    ) -> Tensor:
        """As `Rows.attend`."""
        lengths = [size(levels) for levels in self.levels]
        rows = zip(*(torch.split(x, lengths, dim=2) for x in (query, key, value)), strict=True)
        attended = [
            part
            for (q, k, v), levels in zip(rows, self.levels, strict=True)
            for part in _row(q, k, v, levels, band, sdpa)
        ]
        return torch.cat(attended, dim=2)


def _row(
    query: Tensor, key: Tensor, value: Tensor, levels: Levels, band: int | None, sdpa: Attend
) -> Iterator[Tensor]:
    """The attention of each level of a row, `(1, heads, tokens of the level, head_dim)`."""
    start = 0
    for depth, segments in enumerate(levels):
        stop = start + sum(segments)
        q, k, v = query[:, :, start:stop], key[:, :, :stop], value[:, :, :stop]
        if start == 0 and len(segments) == 1 and (band is None or stop <= band):
            yield sdpa(q, k, v, is_causal=True)
        elif band is None and _wasteful(start, segments):
            yield from _segments(q, k, v, segments, sdpa)
        else:
            yield sdpa(q, k, v, attn_mask=mask(levels, depth, band, query.device))
        start = stop


def _wasteful(earlier: int, segments: Sequence[int]) -> bool:
    """Whether one masked call would compute more than twice the products that are needed."""
    own = sum(segments)
    return own * (earlier + own) > 2 * sum(n * (earlier + n) for n in segments)


def _segments(
    query: Tensor, key: Tensor, value: Tensor, segments: Sequence[int], sdpa: Attend
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
        yield sdpa(q, k, v, attn_mask=mask(((earlier,), (tokens,)), 1, None, query.device))
        start += tokens
