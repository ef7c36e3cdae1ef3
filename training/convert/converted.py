"""What a converter makes of one record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.row import Row
from training.skips import RowError


@dataclass(frozen=True, slots=True)
class Converted:
    """A row, and what had to be mended to have it, each kind named once."""

    row: Row
    repairs: tuple[str, ...] = ()


def fields(record: object, *names: str) -> Mapping[str, Any]:
    """The record, which must be an object with all these keys.

    Raises:
        RowError: where it is not, naming the keys it has.
    """
    if not isinstance(record, Mapping):
        raise RowError(f"expected an object with {list(names)}, found {type(record).__name__}")
    if missing := [name for name in names if record.get(name) is None]:
        raise RowError(
            f"the record lacks {missing} (it has {list(record)[:10]}); is --from the right format?"
        )
    return record


def listed(values: object, name: str) -> Sequence[Any]:
    """The values, which must be a list.

    Raises:
        RowError: where they are not.
    """
    if not isinstance(values, list | tuple):
        raise RowError(f"expected a list as {name!r}, found {repr(values)[:60]}")
    return values
