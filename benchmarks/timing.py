"""Two ways of doing one thing, timed in turns.

Timings drift with whatever else a machine does, and by more than the differences looked for. So
the two ways take turns, A B A B …, every turn of A is divided by the turn of B beside it, and the
median of these ratios is the figure: what is slow for both falls out of it.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class PairedTimes:
    """Wall times in seconds, `(rounds,)` each; turns of the same place ran side by side."""

    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Each round's first time divided by its second, `(rounds,)`."""
        return tuple(a / b for a, b in zip(self.first, self.second, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the paired ratios."""
        return median(self.ratios)

    @property
    def medians(self) -> tuple[float, float]:
        """The median time of each, in seconds."""
        return median(self.first), median(self.second)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and upper quartile of the ratios; the ratio itself for a single round."""
        if len(self.ratios) < 2:
            return self.ratio, self.ratio
        low, _, high = quantiles(self.ratios, n=4, method="inclusive")
        return low, high


def nothing() -> None:
    """What is waited for on a device that does its work at once."""


def time_pair(
    first: Work,
    second: Work,
    rounds: int,
    *,
    least_seconds: float = 0.0,
    wait: Work = nothing,
    after_round: Work = nothing,
) -> PairedTimes:
    """Time two works in turns, after each has run once to warm up.

    Args:
        rounds: turns of each.
        least_seconds: a work shorter than this is repeated within its turn, and the mean taken.
        wait: returns when the device has done what it was given.
        after_round: called, untimed, when both have had their turn.
    """
    repeats = [_repeats(work, least_seconds, wait) for work in (first, second)]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, count, found in zip((first, second), repeats, times, strict=True):
            found.append(_seconds(work, count, wait))
        after_round()
    return PairedTimes(tuple(times[0]), tuple(times[1]))


def _repeats(work: Work, least_seconds: float, wait: Work) -> int:
    """Warm up, and find how often a work runs within a turn."""
    seconds = _seconds(work, 1, wait)
    if seconds >= least_seconds:
        return 1
    return max(1, math.ceil(least_seconds / _seconds(work, 1, wait)))


def _seconds(work: Work, count: int, wait: Work) -> float:
    """The mean wall time of one run."""
    wait()
    started = time.perf_counter()
    for _ in range(count):
        work()
    wait()
    return (time.perf_counter() - started) / count
