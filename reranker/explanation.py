"""The explanation of a ranking: its windows, logits, tokens, cuts and milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass

from reranker.lockstep import ScoredWindow


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a ranking came about.

    `moves` are `(index, rank)`: the place among the candidates (from 0), the new rank (from 1).
    """

    query: str
    candidates: int
    moves: tuple[tuple[int, int], ...]
    ids: Mapping[int, str]
    windows: tuple[ScoredWindow, ...]

    @property
    def tokens(self) -> int:
        """Tokens read, over all windows."""
        return sum(len(window.prompt) for window in self.windows)

    @property
    def milliseconds(self) -> float:
        """Time of the forward passes, each shared pass counted by this ranking's share of it."""
        return sum(window.milliseconds for window in self.windows)

    @property
    def cut(self) -> tuple[int, ...]:
        """Places of the candidates that lost tokens in some window, in first-stage order."""
        places = {w.candidates[i] for w in self.windows for i in w.prompt.cut}
        return tuple(sorted(places))

    @property
    def query_cut(self) -> bool:
        """Whether the query or the instruction lost tokens."""
        return any(window.prompt.query_cut for window in self.windows)

    def to_dict(self) -> dict[str, object]:
        """The explanation as plain values, fit for JSON; no texts."""
        return {
            "candidates": self.candidates,
            "tokens": self.tokens,
            "milliseconds": round(self.milliseconds, 3),
            "cut": list(self.cut),
            "query_cut": self.query_cut,
            "windows": [_window(window) for window in self.windows],
        }

    def __str__(self) -> str:
        head = (
            f"{self.candidates} candidates, {len(self.windows)} windows, {self.tokens} tokens, "
            f"{self.milliseconds:.0f} ms, {len(self.cut)} passages cut"
        )
        return "\n".join([head, *map(_line, self.windows)])


def _window(window: ScoredWindow) -> dict[str, object]:
    return {
        "candidates": list(window.candidates),
        "identifiers": list(window.prompt.identifiers),
        "logits": list(window.logits),
        "tokens": len(window.prompt),
        "cut": list(window.prompt.cut),
        "milliseconds": round(window.milliseconds, 3),
    }


def _line(window: ScoredWindow) -> str:
    named = sorted(
        zip(window.prompt.identifiers, window.candidates, window.logits, strict=True),
        key=lambda entry: -entry[2],
    )
    best = "  ".join(f"{name}={place}:{logit:.2f}" for name, place, logit in named[:6])
    more = " …" if len(named) > 6 else ""
    return f"  {len(window.prompt):>5} tokens {window.milliseconds:>7.0f} ms  {best}{more}"
