"""Rows whose segments see some of the earlier ones: many queries asked of the same passages.

Where every passage is asked the query after it, a query has a segment behind each passage, which
sees that passage alone, and a closing that sees everything of its own. So the passages are
read once for all queries of a row, and each query ranks as if it were alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby

import torch
from torch import Tensor

from reranker.packed_rows import Attend


@dataclass(frozen=True)
class Tree:
    """A row of segments: the tokens of each, and the earlier segments that each sees, in order.

    A token sees those, and its own segment up to itself. A segment begins at the position after
    the last of those that it sees.
    """

    lengths: tuple[int, ...]
    sees: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """Tokens of the row."""
        return sum(self.lengths)

    def positions(self) -> list[int]:
        """The position of every token, `(tokens,)`."""
        return [place for segment in self._places for place in segment]

    def places(self, segments: Sequence[int]) -> Tensor:
        """The positions of some segments' tokens, `(tokens,)`."""
        return torch.tensor([place for segment in segments for place in self._places[segment]])

    @cached_property
    def _places(self) -> list[range]:
        found: list[range] = []
        for length, seen in zip(self.lengths, self.sees, strict=True):
            start = max((found[segment].stop for segment in seen), default=0)
            found.append(range(start, start + length))
        return found

    @cached_property
    def groups(self) -> list[tuple[int, ...]]:
        """Segments that one call of attention serves, those that see the same among them."""
        order = sorted(range(len(self.lengths)), key=lambda segment: self.sees[segment])
        grouped = groupby(order, key=lambda segment: self.sees[segment])
        return [part for seen, members in grouped for part in self._parts(seen, tuple(members))]

    def _parts(self, seen: tuple[int, ...], members: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """All of them together, unless that computes more than twice what is needed."""
        earlier = sum(self.lengths[segment] for segment in seen)
        own = [self.lengths[segment] for segment in members]
        if sum(own) * (earlier + sum(own)) <= 2 * sum(n * (earlier + n) for n in own):
            yield members
        else:
            yield from ((segment,) for segment in members)


class TreeRows:
    """Rows one after the other, each as its tree says; see `reranker.packed_rows.Rows`."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        self.trees = tuple(trees)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, band: int | None, sdpa: Attend
    ) -> Tensor:
        """As `Rows.attend`."""
        lengths = [tree.size for tree in self.trees]
        queries, keys, values = (torch.split(x, lengths, dim=2) for x in (query, key, value))
        rows = zip(self.trees, queries, keys, values, strict=True)
        return torch.cat([_attend(tree, q, k, v, band, sdpa) for tree, q, k, v in rows], dim=2)


def _attend(
    tree: Tree, query: Tensor, key: Tensor, value: Tensor, band: int | None, sdpa: Attend
) -> Tensor:
    # Split once: the way back is then one call too.
    queries, keys, values = (torch.split(x, list(tree.lengths), dim=2) for x in (query, key, value))
    found: dict[int, Tensor] = {}
    for group in tree.groups:
        read = (*tree.sees[group[0]], *group)
        own = tuple(tree.lengths[segment] for segment in group)
        earlier = sum(tree.lengths[segment] for segment in tree.sees[group[0]])
        seen = _mask(earlier, own, query.device)
        if band is not None:
            places = tree.places(read).to(query.device)
            seen = seen & (places[earlier:, None] - places < band)
        attended = sdpa(
            _joined(queries, group),
            _joined(keys, read),
            _joined(values, read),
            attn_mask=seen,
        )
        found |= zip(group, torch.split(attended, list(own), dim=2), strict=True)
    return torch.cat([found[segment] for segment in range(len(found))], dim=2)


def _joined(parts: Sequence[Tensor], segments: Sequence[int]) -> Tensor:
    return torch.cat([parts[segment] for segment in segments], dim=2)


@lru_cache(maxsize=256)
def _mask(earlier: int, own: tuple[int, ...], device: torch.device) -> Tensor:
    """`(tokens, earlier + tokens)`, bool: all that is earlier, and causally each segment alone."""
    causal = [torch.ones(n, n, dtype=torch.bool).tril() for n in own]
    alone: Tensor = torch.block_diag(*causal)  # type: ignore[no-untyped-call]
    seen = torch.ones(len(alone), earlier, dtype=torch.bool)
    return torch.cat([seen, alone], dim=1).to(device)
