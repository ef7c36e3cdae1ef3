"""A packed row's structure: which of its tokens see which, and at what position each stands.

A row is a sequence of levels, a level of segments. A token sees every segment of the levels
before its own, and its own segment up to itself. Segments of one level begin at the same
position, after the longest of the level before. A plain causal row is one level of one segment;
several queries over the same passages are a level of passages and a level of queries.
"""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

Levels = tuple[tuple[int, ...], ...]


def plain(tokens: int) -> Levels:
    """The structure of a causal row."""
    return ((tokens,),)


def size(levels: Levels) -> int:
    """Tokens of the row."""
    return sum(map(sum, levels))


def positions(levels: Levels) -> list[int]:
    """The position of every token, `(tokens,)`."""
    return [start + place for start, length in _segments(levels) for place in range(length)]


@lru_cache(maxsize=64)
def mask(levels: Levels, depth: int, band: int | None, device: torch.device) -> Tensor:
    """What a level's tokens see, `(tokens of the level, tokens up to its end)`, bool.

    Args:
        depth: the level's number, from 0.
        band: how far back a token sees at most, itself included; None is all the way.
    """
    earlier, own = size(levels[:depth]), sum(levels[depth])
    blocks = [torch.ones(n, n, dtype=torch.bool).tril() for n in levels[depth]]
    alone: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    seen = torch.cat([torch.ones(own, earlier, dtype=torch.bool), alone], 1)
    if band is not None:
        places = torch.tensor(positions(levels[: depth + 1]))
        seen &= places[earlier:, None] - places < band
    return seen.to(device)


def _segments(levels: Levels) -> Iterator[tuple[int, int]]:
    """(first position, length) of every segment."""
    start = 0
    for level in levels:
        yield from ((start, length) for length in level)
        start += max(level, default=0)
