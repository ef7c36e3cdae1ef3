"""Rows left out: why, how many, and the first of each kind."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeVar

from reranker.errors import DataError

OnError = Literal["raise", "skip"]

Item = TypeVar("Item")
Parsed = TypeVar("Parsed")


class Reason(StrEnum):
    """Why a row is of no use."""

    MALFORMED = "malformed"
    EMPTY = "empty"
    UNLABELLED = "unlabelled"
    NO_POSITIVE = "without a positive"
    NO_NEGATIVE = "without a negative"


class RowError(DataError):
    """A row that training cannot use; `reason` is what it is counted under."""

    def __init__(self, message: str, reason: Reason = Reason.MALFORMED) -> None:
        self.reason = reason
        super().__init__(message)

    def at(self, place: str) -> "RowError":
        """The same error, beginning with where the row stands."""
        return RowError(f"{place}: {self}", self.reason)


@dataclass(slots=True)
class Skips:
    """Counts the rows that a reader left out; `examples` keeps the first error of each reason."""

    counts: Counter[Reason] = field(default_factory=Counter)
    examples: dict[Reason, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many rows were left out."""
        return self.counts.total()

    def add(self, error: RowError) -> None:
        """Count one row."""
        self.counts[error.reason] += 1
        self.examples.setdefault(error.reason, str(error))

    def __str__(self) -> str:
        rows = "row" if self.total == 1 else "rows"
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.counts.most_common())
        return f"{self.total:,} {rows} skipped" + (f": {reasons}" if reasons else "")


def kept(
    items: Iterable[tuple[str, Item]],
    parse: Callable[[Item], Parsed],
    *,
    on_error: OnError,
    skips: Skips,
) -> Iterator[Parsed]:
    """What `parse` makes of each item; those it refuses are raised or counted.

    Items come with the place they stand in, which the error names.

    Raises:
        RowError: where `on_error` is "raise".
    """
    for place, item in items:
        try:
            parsed = parse(item)
        except RowError as error:
            placed = error.at(place)
            if on_error == "raise":
                raise placed from error
            skips.add(placed)
        else:
            yield parsed
