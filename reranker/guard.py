"""The guard that keeps a caller's text from imitating an identifier.

Two walls: `[A]` in a text is rewritten `(A)` before it is tokenised, and after it the opening
bracket is dropped wherever it still stands right before an identifier's token. What is left
cannot hold the two tokens after which the model looks for an identifier.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from reranker.encoder import Encoder
from reranker.identifiers import Identifiers


class Guard:
    """What must not stand in a caller's text, for one set of identifiers."""

    def __init__(self, encoder: Encoder, identifiers: Identifiers, openers: frozenset[str]) -> None:
        names = "|".join(map(re.escape, sorted(identifiers.names, key=len, reverse=True)))
        self._bracketed = re.compile(rf"\[\s*({names})(?!\w)(\s*\])?")
        self._identifier_ids = frozenset(identifiers.token_ids)
        self._opener_ids = encoder.ending_in(openers)

    def disarm(self, text: str) -> str:
        """Write bracketed identifiers in parentheses, closed or not."""
        return self._bracketed.sub(lambda m: f"({m[1]})" if m[2] else f"({m[1]}", text)

    def filter(self, token_ids: Sequence[int]) -> tuple[int, ...]:
        """Drop every opener that stands right before an identifier's token."""
        kept: list[int] = []
        for token in token_ids:
            if token in self._identifier_ids:
                while kept and kept[-1] in self._opener_ids:
                    kept.pop()
            kept.append(token)
        return tuple(kept)

    def forged(self, token_ids: Sequence[int]) -> int:
        """How many openers stand right before an identifier's token."""
        return sum(
            first in self._opener_ids and second in self._identifier_ids
            for first, second in pairwise(token_ids)
        )
