"""The prompt of one window, as token ids in segments."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

from reranker.levels import Levels, plain

Segments = tuple[tuple[tuple[int, ...], ...], ...]
"""Token ids by level and segment."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where blocks ask the query, so that its likelihood after each passage can be read.

    Args:
        weight: what the query's log-likelihood is multiplied by before it joins a score.
        start: where in a block's tail the first of the query's tokens stands that is predicted
            by the tail; `stop` is one after the last.
        places: for each passage, in the prompt's order, which block is its; then, where there is
            a null candidate, which block is empty and asks the query of nothing.
    """

    weight: float
    start: int
    stop: int
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row for the engine: what precedes the passages, one block a passage, what follows.

    `identifier_ids[i]` is the token whose logit after the last position is the score of the
    window's i-th passage; `identifiers` are their names. `cut` are the places of passages that
    lost tokens; `query_cut` says whether the query or instruction did. Blocks that are `apart`
    read the prefix and themselves alone, and what follows reads everything; they stand in any
    order. Of blocks whose passage may be read once for all queries, `tail` are the last tokens,
    which are not the passage's. `null_id` is the token of the null candidate, which stands for
    none of the passages: where there is one, its score is taken off every score. `asked` is
    where blocks ask the query, if its likelihood is part of the scores.
    """

    prefix: tuple[int, ...]
    blocks: tuple[tuple[int, ...], ...]
    closing: tuple[int, ...]
    identifiers: tuple[str, ...]
    identifier_ids: tuple[int, ...]
    cut: tuple[int, ...] = ()
    query_cut: bool = False
    apart: bool = False
    tail: int | None = None
    null_id: int | None = None
    asked: Asked | None = None

    @property
    def token_ids(self) -> list[int]:
        """The whole row, `(tokens,)`."""
        return [*self.prefix, *chain.from_iterable(self.blocks), *self.closing]

    @property
    def shared(self) -> Segments:
        """All that precedes the closing, by levels and segments (see `reranker.levels`)."""
        if self.apart:
            return tuple(level for level in ((self.prefix,), self.blocks) if any(level))
        return (((*self.prefix, *chain.from_iterable(self.blocks)),),)

    @property
    def passages(self) -> tuple[tuple[int, ...], ...]:
        """Of blocks with a tail, what stands before it."""
        assert self.tail is not None, "the layout keeps no passages"
        return tuple(block[: len(block) - self.tail] for block in self.blocks)

    @property
    def tails(self) -> tuple[tuple[int, ...], ...]:
        """Of blocks with a tail, that tail."""
        assert self.tail is not None, "the layout keeps no passages"
        return tuple(block[len(block) - self.tail :] for block in self.blocks)

    def predictions(self, kept: bool = False) -> list[tuple[int, int]]:
        """The (place in the row, next token) of the query's tokens after each passage.

        Block by block, as many in each; none where the likelihood is not asked for. Of a row over
        kept passages, which consists of the tails and the closing, where `kept` is true.
        """
        if self.asked is None:
            return []
        tails = self.tails
        first = 0 if kept else len(self.prefix)
        ends = (first + end for end in accumulate(map(len, tails if kept else self.blocks)))
        asked = range(self.asked.start, self.asked.stop)
        return [
            (end - len(tail) + place - 1, tail[place])
            for end, tail in zip(ends, tails, strict=True)
            for place in asked
        ]

    @property
    def levels(self) -> Levels:
        """Which tokens of the row see which."""
        if not self.apart:
            return plain(len(self))
        return (*(tuple(map(len, level)) for level in self.shared), (len(self.closing),))

    @property
    def adapted(self) -> list[bool]:
        """Which tokens of the row are not the prefix's or a passage's, where there is a tail."""
        return own_tokens(self.prefix, self.blocks, self.tail or 0, len(self.closing))

    def __len__(self) -> int:
        return len(self.prefix) + sum(map(len, self.blocks)) + len(self.closing)


def own_tokens(
    prefix: Sequence[int], blocks: Iterable[Sequence[int]], tail: int, after: int
) -> list[bool]:
    """Which tokens of a row are a query's own: each block's last `tail`, and `after` at the end."""
    flags = [False] * len(prefix)
    for block in blocks:
        flags += [False] * (len(block) - tail) + [True] * tail
    return flags + [True] * after
