"""The prompt of one window, as token ids in segments."""

from dataclasses import dataclass
from itertools import chain

from reranker.levels import Levels, plain

Segments = tuple[tuple[tuple[int, ...], ...], ...]
"""Token ids by level and segment."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row for the engine: what precedes the passages, one block a passage, what follows.

    `identifier_ids[i]` is the token whose logit after the last position is the score of the
    window's i-th passage; `identifiers` are their names. `cut` are the places of passages that
    lost tokens; `query_cut` says whether the query or instruction did. Blocks that are `apart`
    read the prefix and themselves alone, and what follows reads everything; they stand in any
    order. Of blocks whose passage may be read once for all queries, `tail` are the last tokens,
    which are not the passage's. `null_id` is the token of the null candidate, which stands for
    none of the passages: where there is one, its logit is taken off every score.
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
    def tails(self) -> tuple[int, ...]:
        """The tails of all blocks, one after the other."""
        assert self.tail is not None, "the layout keeps no passages"
        return tuple(token for b in self.blocks for token in b[len(b) - self.tail :])

    @property
    def levels(self) -> Levels:
        """Which tokens of the row see which."""
        if not self.apart:
            return plain(len(self))
        return (*(tuple(map(len, level)) for level in self.shared), (len(self.closing),))

    def __len__(self) -> int:
        return len(self.prefix) + sum(map(len, self.blocks)) + len(self.closing)
