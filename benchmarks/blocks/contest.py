"""One cell of the benchmark of layouts and caches: its passages are kept, its rounds are run."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.blocks.entrants import (
    COLD,
    DISK,
    ENTRANTS,
    FULL,
    INT8,
    SLIDING,
    STORED,
    WARM,
    WINDOW,
    Cell,
    query,
    rerankers,
    stretches,
    unfit,
)
from benchmarks.speed.report import load_average
from reranker.passage import Passage
from reranker.passage_cache import PassageCache, Read, TokenIds

if TYPE_CHECKING:
    from torch import Tensor

    from reranker.ranking import Ranking
    from reranker.reranker import Reranker

# Bytes of all caches of a cell by those of the passages in float32.
_MEMORY = 1 + 0.5 + 0.25 + 0.5
_TOGETHER = 16
_ENOUGH = 1 << 60


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of each entrant over one query, by its name.

    `load` is the load average before; `seconds` are wall time; `tokens` the prompts', of which
    `saved` were kept; `skipped` says why an entrant did not run; `bytes_kept` are those of all
    passages. `difference` is the largest between scores over passages kept in float32 and over
    none kept, where it was looked for.
    """

    cell: Cell
    number: int
    command: str
    load: float | None
    seconds: Mapping[str, float]
    tokens: Mapping[str, int]
    saved: int
    skipped: Mapping[str, str]
    bytes_kept: Mapping[str, int]
    difference: float | None = None
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())


class Contest:
    """The entrants of one cell, over one model.

    Args:
        base: a reranker of a layout that keeps passages, with a cache; others take its place.
        cell: the size.
        against: the layout of `SLIDING` and `FULL`.
        folder: where passages are kept on disk.
        memory: bytes that passages kept in memory may take, all entrants' together.
    """

    def __init__(
        self, base: "Reranker", cell: Cell, *, against: str, folder: Path, memory: int
    ) -> None:
        self.cell, self._memory = cell, memory
        self._engine = base.engine
        self._passages = stretches(cell.passages, cell.tokens)
        self._rerankers = rerankers(base, cell, against)
        self.skipped = {
            name: why
            for name, reranker in self._rerankers.items()
            if (why := unfit(reranker, self._passages))
        }
        if cell.passages <= WINDOW:
            self.skipped[FULL] = f"the window of {SLIDING} holds all passages"
        self._caches = {
            WARM: PassageCache(memory, stored=STORED[WARM]),
            INT8: PassageCache(memory, stored=STORED[INT8]),
            DISK: PassageCache(0, folder=folder, stored=STORED[DISK]),
        }
        if (needed := self._foreseen()) > memory:
            why = f"keeping them takes {needed / 2**30:.1f} GiB, more than --memory"
            self.skipped |= dict.fromkeys(STORED, why)

    def prepare(self, *, exact: bool) -> float | None:
        """Keep the passages, and warm up.

        Args:
            exact: keep them in float32 as well, and rank over nothing kept, to compare.

        Returns:
            The largest difference of the two rankings' scores; None if not `exact`.
        """
        apart = None
        if WARM not in self.skipped:
            exactly = PassageCache(self._memory, stored="float32")
            self._keep([exactly, *self._caches.values()] if exact else [*self._caches.values()])
            apart = self._difference(exactly) if exact else None
        for name in self._present:
            self._rank(name, query(0), self._passages[:2], self._cache(name))
        return apart

    def _keep(self, caches: Sequence[PassageCache]) -> None:
        self._engine.cache = Together(caches)
        for start in range(0, self.cell.passages, _TOGETHER):
            self._rerankers[WARM].keep(self._passages[start : start + _TOGETHER])

    def _difference(self, exactly: PassageCache) -> float:
        first, second = (
            self._rank(WARM, query(0), self._passages, cache) for cache in (None, exactly)
        )
        return difference(first, second)

    def round(self, number: int, command: str, apart: float | None = None) -> Round:
        """One turn of each over one query."""
        before, asked = load_average(), query(number)
        found = {name: self._timed(name, asked) for name in self._present}
        kept = {n: self._caches[n].nbytes for n in (WARM, INT8) if n in found}
        return Round(
            cell=self.cell,
            number=number,
            command=command,
            load=before,
            seconds={name: seconds for name, (seconds, _, _) in found.items()},
            tokens={name: tokens for name, (_, tokens, _) in found.items()},
            saved=found[WARM][2] if WARM in found else 0,
            skipped=self.skipped,
            bytes_kept=kept,
            difference=apart,
        )

    def _timed(self, name: str, asked: str) -> tuple[float, int, int]:
        """Seconds, tokens of the prompts, and how many of them were saved."""
        cache = self._cache(name)
        before = cache.statistics.tokens_saved if cache else 0
        started = time.perf_counter()
        ranking = self._rank(name, asked, self._passages, cache)
        seconds = time.perf_counter() - started
        saved = cache.statistics.tokens_saved - before if cache else 0
        return seconds, ranking.explain().tokens, saved

    def _rank(
        self, name: str, asked: str, passages: Sequence[Passage], cache: PassageCache | None
    ) -> "Ranking":
        self._engine.cache = cache
        return self._rerankers[name].rank(asked, passages)

    def _cache(self, name: str) -> PassageCache | None:
        """What an entrant finds kept: of `COLD`, nothing."""
        if name == COLD:
            return PassageCache(self._memory, stored=STORED[COLD])
        return self._caches.get(name)

    @property
    def _present(self) -> list[str]:
        return [name for name in ENTRANTS if name not in self.skipped]

    def _foreseen(self) -> int:
        """Bytes that the caches will take, by one passage."""
        one = PassageCache(_ENOUGH, stored="float32")
        self._engine.cache = one
        self._rerankers[WARM].keep(self._passages[:1])
        return int(one.nbytes * self.cell.passages * _MEMORY)


class Together(PassageCache):
    """Caches that are filled together: what one of them has read, the others take."""

    def __init__(self, caches: Sequence[PassageCache]) -> None:
        super().__init__(0)
        self._caches = caches

    def add(self, model: bytes, prefix: TokenIds, passages: Sequence[TokenIds], read: Read) -> int:
        """As `PassageCache.add`, of every cache."""
        shared = _once(read)
        return max(cache.add(model, prefix, passages, shared) for cache in self._caches)


def _once(read: Read) -> Read:
    states: dict[TokenIds, Tensor] = {}

    def remembered(prefix: TokenIds, passages: Sequence[TokenIds]) -> "Iterable[Tensor]":
        new = [passage for passage in passages if passage not in states]
        if new or prefix not in states:
            states.update(zip((prefix, *new), read(prefix, new), strict=True))
        return [states[text] for text in (prefix, *passages)]

    return remembered


def difference(first: "Ranking", second: "Ranking") -> float:
    """The largest difference of two rankings' scores of the same passages."""
    scores = {passage.index: passage.score for passage in first}
    return max(abs(scores[passage.index] - passage.score) for passage in second)
