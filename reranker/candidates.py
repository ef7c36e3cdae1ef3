"""Candidates: what is ranked for one query, tokenised."""

from dataclasses import dataclass, replace

from reranker.encoder import EncodedText


@dataclass(frozen=True, slots=True)
class Candidates:
    """A query, its instruction (ended by a line break) and its candidates, as token ids.

    Candidates stand in first-stage order.
    """

    query: EncodedText
    instruction: EncodedText
    passages: tuple[EncodedText, ...]

    def __len__(self) -> int:
        return len(self.passages)

    def shortened(self, limit: int) -> "Candidates":
        """The same candidates, each cut after `limit` tokens."""
        passages = (
            EncodedText(p.token_ids[:limit], p.cut or len(p.token_ids) > limit)
            for p in self.passages
        )
        return replace(self, passages=tuple(passages))
