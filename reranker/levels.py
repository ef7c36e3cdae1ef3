"""A packed row's structure: which of its tokens see which, and at what position each stands.

A row is a sequence of levels, a level of segments. A token sees every segment of the levels
before its own, and its own segment up to itself. Segments of one level begin at the same
position, after the longest of the level before. A plain causal row is one level of one segment;
several queries over the same passages are a level of passages and a level of queries.
"""

from collections.abc import Iterator

Levels = tuple[tuple[int, ...], ...]


def plain(tokens: int) -> Levels:
    """The structure of a causal row."""
    return ((tokens,),)


def size(levels: Levels) -> int:
    """Tokens of the row."""
    return sum(map(sum, levels))


def positions(levels: Levels) -> list[int]:
    """The position of every token, `(tokens,)`."""
    return [start + place for start, length in _segments(levels) for place in range(length)]


def _segments(levels: Levels) -> Iterator[tuple[int, int]]:
    """(first position, length) of every segment."""
    start = 0
    for level in levels:
        yield from ((start, length) for length in level)
        start += max(level, default=0)
