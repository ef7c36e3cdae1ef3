"""A race: two ways of doing one thing, and how it went.

A race's ratio is the time of what is named first over the time of what is named second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.speed.contestants import Contestants
from benchmarks.timing import PairedTimes, Work, time_pair
from benchmarks.workload import Workload


def verdict(kept: bool) -> str:
    """Whether what is required was kept, in a word."""
    return "met" if kept else "missed"


@dataclass(frozen=True, slots=True)
class Limit:
    """What a ratio must keep to: at least a value, or at most."""

    value: float
    at_most: bool = False

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.value:g}"

    def met(self, ratio: float) -> bool:
        """Whether a ratio keeps to it."""
        return ratio <= self.value if self.at_most else ratio >= self.value

    def verdict(self, ratio: float) -> str:
        """Whether a ratio keeps to it, in a word."""
        return verdict(self.met(ratio))


@dataclass(frozen=True, slots=True)
class Race:
    """One race: who runs against whom, what over, and what is known of the work apart from time.

    `fineness` multiplies the rounds: a small difference needs more of them to show.
    """

    name: str
    first: str
    second: str
    run_first: Work
    run_second: Work
    limit: Limit | None = None
    fineness: int = 1
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """A race as it went on one device."""

    name: str
    device: str
    first: str
    second: str
    times: PairedTimes
    limit: Limit | None
    facts: Mapping[str, object]

    @property
    def verdict(self) -> str:
        """Whether the limit was kept, in a word; a dash where there is none."""
        return "-" if self.limit is None else self.limit.verdict(self.times.ratio)


Prepare = Callable[[Contestants, Workload], Race]


def hold(
    prepare: Prepare,
    runners: Contestants,
    workload: Workload,
    rounds: int,
    advance: Callable[[float], object] = lambda share: None,
) -> Result:
    """Prepare a race, run it and tell how it went; `advance` is told each round's share of it."""
    race = prepare(runners, workload)
    turns = rounds * race.fineness if workload.limited else rounds
    times = time_pair(
        race.run_first,
        race.run_second,
        turns,
        least_seconds=workload.least_seconds,
        wait=runners.wait,
        after_round=lambda: advance(1 / turns),
    )
    device = runners.device.type
    limit = race.limit if workload.limited else None
    return Result(race.name, device, race.first, race.second, times, limit, race.facts)
