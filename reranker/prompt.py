"""The prompt of one window, as token ids in segments."""

from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row for the engine: what precedes the passages, one block a passage, what follows.

    `identifier_ids[i]` is the token whose logit after the last position is the score of the
    window's i-th passage; `identifiers` are their names. `cut` are the places of passages that
    lost tokens; `query_cut` says whether the query or instruction did.
    """

    prefix: tuple[int, ...]
    blocks: tuple[tuple[int, ...], ...]
    closing: tuple[int, ...]
    identifiers: tuple[str, ...]
    identifier_ids: tuple[int, ...]
    cut: tuple[int, ...] = ()
    query_cut: bool = False

    @property
    def token_ids(self) -> list[int]:
        """The whole row, `(tokens,)`."""
        return [*self.prefix, *chain.from_iterable(self.blocks), *self.closing]

    def __len__(self) -> int:
        return len(self.prefix) + sum(map(len, self.blocks)) + len(self.closing)
