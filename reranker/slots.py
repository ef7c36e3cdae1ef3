"""A row over kept passages: what attention reads of them, and what it adds.

Every passage has a slot: the prefix, the passage, and the tail that follows it (its identifier).
A last slot holds the closing. A tail sees its own slot; the closing sees all of them, the prefix
once. Only tails and closing pass through the model. See Block-Attention (arXiv 2409.15355).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from reranker.errors import EngineError
from reranker.kept import Kept
from reranker.packed_rows import Attend


class Slots:
    """The slots of one row, filled layer by layer as the row passes through the model.

    Args:
        prefix: what every slot begins with.
        passages: one a slot; at least one.
        tail: tokens that follow each passage.
        closing: tokens that follow all of them.
        device: where the model is.
        dtype: the model's.
    """

    def __init__(
        self,
        prefix: Kept,
        passages: Sequence[Kept],
        *,
        tail: int,
        closing: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._prefix, self._passages = prefix, list(passages)
        self._tail, self._closing = tail, closing
        self._lengths = torch.tensor([len(passage) for passage in passages])
        longest = int(self._lengths.max())
        self._own = len(prefix) + longest
        self._size = max(self._own + tail, closing)
        heads, width = prefix.states.shape[3:]
        shape = (2, len(passages) + 1, self._size, heads, width)
        self._states = torch.zeros(shape, dtype=dtype, device=device)
        self._tail_mask = self._seen_by_tails().to(device)
        self._closing_mask = self._seen_by_closing().to(device)

    @property
    def positions(self) -> list[int]:
        """The position of every token that passes through the model, `(tokens,)`."""
        start = len(self._prefix)
        tails = [start + n + place for n in self._lengths.tolist() for place in range(self._tail)]
        last = start + int(self._lengths.max()) + self._tail
        return [*tails, *range(last, last + self._closing)]

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, band: int | None, sdpa: Attend
    ) -> Tensor:
        """As `Rows.attend`, of tails and closing.

        Raises:
            EngineError: for a band, over which nothing can be kept.
        """
        if band is not None:
            raise EngineError(
                f"layer {layer} sees {band} tokens back, so passages cannot be kept; turn the "
                "passage cache off for this model"
            )
        self._fill(layer, torch.stack([key[0], value[0]]).transpose(1, 2))
        slots, tokens = len(self._passages), len(self._passages) * self._tail
        keys, values = self._states[:, :slots].transpose(2, 3)
        heads, width = query.shape[1], query.shape[3]
        tails = query[0, :, :tokens].reshape(heads, slots, self._tail, width).transpose(0, 1)
        named = sdpa(tails, keys, values, attn_mask=self._tail_mask)
        keys, values = self._states.flatten(1, 2).transpose(1, 2)[:, None]
        closed = sdpa(query[:, :, tokens:], keys, values, attn_mask=self._closing_mask)
        return torch.cat([named.transpose(0, 1).flatten(1, 2)[None], closed], dim=2)

    def _fill(self, layer: int, new: Tensor) -> None:
        """Put a layer's kept and new keys and values, `(2, tokens, kv_heads, head_dim)`, in."""
        slots, tokens = len(self._passages), len(self._passages) * self._tail
        before = len(self._prefix)
        self._states[:, :slots, :before] = self._prefix.layer(layer)[:, None]
        for slot, passage in enumerate(self._passages):
            self._states[:, slot, before : before + len(passage)] = passage.layer(layer)
        tails = self._states[:, :slots, self._own : self._own + self._tail]
        tails.copy_(new[:, :tokens].reshape(tails.shape))
        self._states[:, slots, : self._closing] = new[:, tokens:]

    def _seen_by_tails(self) -> Tensor:
        """`(slots, 1, tail, size)`, bool."""
        own = torch.arange(self._size) - self._own
        tails = (own >= 0) & (own <= torch.arange(self._tail)[:, None])
        return (self._kept()[:, None] | tails)[:, None]

    def _seen_by_closing(self) -> Tensor:
        """`(closing, slots × size)`, bool."""
        places = torch.arange(self._size)
        slots = self._kept() | ((places >= self._own) & (places < self._own + self._tail))
        slots[1:, : len(self._prefix)] = False
        own = torch.arange(self._size) <= torch.arange(self._closing)[:, None]
        return torch.cat([slots.flatten().expand(self._closing, -1), own], dim=1)

    def _kept(self) -> Tensor:
        """Where prefix and passage stand, `(slots, size)`, bool."""
        return torch.arange(self._size) < len(self._prefix) + self._lengths[:, None]
