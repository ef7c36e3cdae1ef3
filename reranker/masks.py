"""The masks of packed rows, made once for each structure."""

from functools import lru_cache

import torch
from torch import Tensor

from reranker.levels import Levels, positions, size


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
