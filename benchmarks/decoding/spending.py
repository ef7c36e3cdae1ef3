"""What rankings took, over queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.decoding.ledger import Decoded
from benchmarks.statistics import Interval, bootstrap


@dataclass(frozen=True, slots=True)
class Spending:
    """Means a query, with 95% bootstrap intervals.

    `times_first` is a query's seconds over those of its ranking by the first token's logits.
    `joules` is None where no GPU tells them; `written` are the answers' tokens; `malformed` is the
    share of answers, and `named` the share of passages that answers named, None without answers.
    """

    seconds: Interval
    times_first: Interval
    cpu_seconds: Interval
    joules: Interval | None
    passes: float
    written: float
    malformed: float | None
    named: float | None

    @classmethod
    def of(cls, found: Sequence[Decoded], first: Sequence[Decoded]) -> "Spending":
        """Of the same queries in one way and by the first token's logits, in the same order."""
        efforts, tallies = [one.effort for one in found], [one.tally for one in found]
        joules = [effort.joules for effort in efforts if effort.joules is not None]
        pairs = zip(efforts, first, strict=True)
        answers = sum(tally.answers for tally in tallies)
        return cls(
            seconds=bootstrap([effort.seconds for effort in efforts]),
            times_first=bootstrap([own.seconds / one.effort.seconds for own, one in pairs]),
            cpu_seconds=bootstrap([effort.cpu_seconds for effort in efforts]),
            joules=bootstrap(joules) if len(joules) == len(efforts) else None,
            passes=fmean(tally.passes for tally in tallies),
            written=fmean(tally.tokens for tally in tallies),
            malformed=_share([tally.malformed for tally in tallies], answers),
            named=_share([t.named for t in tallies], sum(t.passages for t in tallies)),
        )


def _share(counts: Sequence[int], total: int) -> float | None:
    return sum(counts) / total if total else None
