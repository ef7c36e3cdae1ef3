"""Items parted into runs that fit a budget."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def within(items: Iterable[Item], cost: Callable[[Item], int], budget: int) -> Iterator[list[Item]]:
    """Neighbouring items, as many as a budget takes; one that is over it comes alone."""
    part: list[Item] = []
    spent = 0
    for item in items:
        if part and spent + cost(item) > budget:
            yield part
            part, spent = [], 0
        part.append(item)
        spent += cost(item)
    if part:
        yield part
