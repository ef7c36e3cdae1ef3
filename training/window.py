"""Windows drawn from a row: which of its passages, in what order, under which identifiers."""

from dataclasses import dataclass, replace

import numpy as np

from reranker.errors import InputError
from training.row import Row

LEAST = 2


@dataclass(frozen=True, slots=True)
class Window:
    """What one step reads of one row.

    `identifiers` are places in the table of identifiers, one a passage; None takes the first
    ones, in order.
    """

    row: Row
    identifiers: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many passages a window has: drawn evenly from `least` to `most`.

    Over the first `growth` windows the most grows evenly from `least`, so that a model that
    knows nothing yet begins with windows it can learn from.

    Raises:
        InputError: for a `least` below 2, a `most` below it, or a negative `growth`.
    """

    least: int = 20
    most: int = 20
    growth: int = 0

    def __post_init__(self) -> None:
        if not LEAST <= self.least <= self.most or self.growth < 0:
            raise InputError(
                f"window sizes must have {LEAST} <= least <= most and growth >= 0, found {self}"
            )

    def draw(self, index: int, rng: np.random.Generator) -> int:
        """The size of window number `index`, counted from 0 over the whole training."""
        grown = min(1.0, index / self.growth) if self.growth else 1.0
        most = self.least + int((self.most - self.least) * grown)
        return int(rng.integers(self.least, most + 1))


def sample_window(row: Row, *, size: int, rng: np.random.Generator, queries: int = 1) -> Row:
    """A row of at most `size` of the row's passages, shuffled, for at most `queries` queries.

    One of them is a positive and one is worse than it, wherever the row has such, so that the
    window has something to learn; the rest are drawn evenly. A row of `size` passages or fewer
    keeps them all. Of its other queries such are drawn as prefer some passage of the window.

    Raises:
        InputError: for a size below 2.
    """
    if size < LEAST:
        raise InputError(f"a window needs at least {LEAST} passages, asked for {size}")
    whole = size >= len(row.passages)
    places = list(range(len(row.passages))) if whole else _drawn(row, size, rng)
    window = row.take(rng.permutation(places).tolist())
    others = [other for other in window.others if len(set(other.relevance)) > 1]
    # A generator of its own: what else is drawn does not depend on how many queries there are.
    drawn = rng.spawn(1)[0].permutation(len(others))[: queries - 1]
    return replace(window, others=tuple(others[place] for place in drawn))


def draw_identifiers(count: int, *, available: int, rng: np.random.Generator) -> tuple[int, ...]:
    """`count` different places in a table of `available` identifiers, in random order.

    Raises:
        InputError: for more passages than identifiers.
    """
    if count > available:
        raise InputError(
            f"a window of {count} passages needs as many identifiers, there are {available}; "
            "draw smaller windows or allow more identifiers"
        )
    return tuple(rng.permutation(available)[:count].tolist())


def _drawn(row: Row, size: int, rng: np.random.Generator) -> list[int]:
    labels = row.labels()
    least = min(labels)
    positives = [place for place in row.positives if labels[place] > least]
    needed: list[int] = []
    if positives:
        best = positives[int(rng.integers(len(positives)))]
        worse = [place for place, label in enumerate(labels) if label < labels[best]]
        needed = [best, worse[int(rng.integers(len(worse)))]]
    others = [place for place in range(len(labels)) if place not in needed]
    rest: list[int] = rng.permutation(others)[: size - len(needed)].tolist()
    return needed + rest
