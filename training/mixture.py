"""Mixtures: windows drawn from several files of rows, by weight, the same ones every time.

- Window number `index` depends on the mixture and the index alone, so a run that was killed
  goes on with exactly the windows that it would have read.
- An epoch gives each source its share of the windows, in an order of its own.
- A source's rows come in shuffled passes, each row once a pass; a pass goes on into the next
  epoch, so that a source with a small share is read through all the same.
- It knows nothing of models, prompts or batches.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from reranker.errors import InputError
from training.fingerprint import fingerprint
from training.indexed import IndexedRows
from training.row import Row
from training.skips import OnError, Skips
from training.window import Sizes, Window, draw_identifiers, sample_window

_ORDER, _PASS, _WINDOW = range(3)
_Places = npt.NDArray[np.int64]


class Rows(Protocol):
    """Rows by number: a list, or `IndexedRows`."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Row: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Rows and how often they are read.

    `weight` is the source's share of the windows relative to the others'; None is the number of
    its rows, so that every row comes once an epoch. `digest` tells its content from another's,
    `skips` what was left out of it.
    """

    rows: Rows
    weight: float | None = None
    digest: str = ""
    skips: Skips = field(default_factory=Skips)

    @classmethod
    def open(
        cls, path: str | Path, weight: float | None = None, *, on_error: OnError = "skip"
    ) -> "Source":
        """The usable rows of a JSONL file, gzipped or not.

        Raises:
            DataError: for a file that is not there, not whole, or without a usable row.
        """
        rows = IndexedRows(path, on_error=on_error)
        return cls(rows, weight, fingerprint(path).sha256, rows.skips)


class Mixture:
    """Windows of several sources, by number from 0, without end; `len` is those of an epoch.

    `windows` is how many an epoch has; None is the sum of the sources' rows. `identifiers` is
    the number of identifiers to draw a window's from; None draws none. `queries` is the most
    queries of one window.

    Raises:
        InputError: for no source or an empty one, a weight that is not above 0, or a share below
            one window.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        seed: int = 0,
        windows: int | None = None,
        sizes: Sizes | None = None,
        identifiers: int | None = None,
        queries: int = 1,
    ) -> None:
        self.sources, self.seed, self.identifiers = tuple(sources), seed, identifiers
        self.queries = queries
        self.sizes = sizes or Sizes()
        if not self.sources or seed < 0:
            raise InputError(f"a mixture needs a source and a seed of 0 or more, found {seed=}")
        total = sum(len(source.rows) for source in sources) if windows is None else windows
        self.shares = _shares(_weights(self.sources), total)
        self._planned: tuple[int, _Places, _Places] | None = None

    def __len__(self) -> int:
        return sum(self.shares)

    def window(self, index: int) -> Window:
        """Window number `index`, counted from 0 through all epochs."""
        epoch, step = divmod(index, len(self))
        sources, places = self._plan(epoch)
        row = self.sources[sources[step]].rows[int(places[step])]
        rng = self._rng(_WINDOW, epoch, step)
        size = self.sizes.draw(index, rng)
        drawn = sample_window(row, size=size, rng=rng, queries=self.queries)
        if self.identifiers is None:
            return Window(drawn)
        count = len(drawn.passages)
        return Window(drawn, draw_identifiers(count, available=self.identifiers, rng=rng))

    @property
    def digest(self) -> str:
        """SHA-256 of all that the windows depend on."""
        sources = [(source.digest, len(source.rows)) for source in self.sources]
        told = [self.seed, self.shares, sources, asdict(self.sizes), self.identifiers, self.queries]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _plan(self, epoch: int) -> tuple[_Places, _Places]:
        """The source and the row of every step of an epoch, two arrays of `(windows,)`."""
        if self._planned is None or self._planned[0] != epoch:
            order = self._rng(_ORDER, epoch, 0).permutation(len(self))
            sources = np.repeat(np.arange(len(self.shares)), self.shares)[order]
            rows = [self._places(number, epoch) for number in range(len(self.shares))]
            self._planned = epoch, sources, np.concatenate(rows)[order]
        return self._planned[1:]

    def _places(self, source: int, epoch: int) -> _Places:
        """The rows that a source gives to an epoch, `(share,)`."""
        share, count = self.shares[source], len(self.sources[source].rows)
        first, skipped = divmod(epoch * share, count)
        last = (epoch * share + share - 1) // count
        passes = [
            self._rng(_PASS, source, number).permutation(count) for number in range(first, last + 1)
        ]
        return np.concatenate(passes)[skipped : skipped + share]

    def _rng(self, use: int, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(use, *key)))


def _weights(sources: Sequence[Source]) -> list[float]:
    if not all(len(source.rows) for source in sources):
        raise InputError("a source of the mixture has no rows; leave it out")
    if len({source.weight is None for source in sources}) > 1:
        raise InputError("some sources have a weight and some have none; give one to all or none")
    weights = [len(s.rows) if s.weight is None else float(s.weight) for s in sources]
    for weight, source in zip(weights, sources, strict=True):
        if not (weight > 0 and np.isfinite(weight)):
            raise InputError(f"{source.rows!r:.80} has a weight of {weight}; give one above 0")
    return weights


def _shares(weights: Sequence[float], total: int) -> list[int]:
    """`total` windows split by weight, largest remainders first."""
    exact = [total * weight / sum(weights) for weight in weights]
    shares = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda place: shares[place] - exact[place])
    for place in by_remainder[: total - sum(shares)]:
        shares[place] += 1
    if 0 in shares:
        raise InputError(
            f"of {total} windows an epoch the sources get {shares}: one gets none; raise its "
            "weight or the windows of an epoch, or leave it out"
        )
    return shares
