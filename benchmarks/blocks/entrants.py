"""Who is raced over the same passages, from nothing kept to everything, and what passages."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from data.embedded.passages import read_passages
from reranker.errors import DataError
from reranker.passage import Passage

if TYPE_CHECKING:
    from reranker.reranker import Reranker

SLIDING, FULL, SET, COLD, WARM, INT8, DISK = ENTRANTS = (
    "sliding windows",
    "one window",
    "set",
    "cold",
    "kept",
    "kept in int8",
    "kept on disk",
)
STORED = {COLD: "float16", WARM: "float16", INT8: "int8", DISK: "float16"}
WINDOW = 20
_CHARACTERS_A_TOKEN = 6


@dataclass(frozen=True, slots=True)
class Cell:
    """How many passages, and tokens of each."""

    passages: int
    tokens: int

    def __str__(self) -> str:
        return f"{self.passages:,} passages of {self.tokens} tokens"


def rerankers(base: "Reranker", cell: Cell, against: str) -> "dict[str, Reranker]":
    """Every entrant's; where there are fewer identifiers than passages, all slide."""
    tokens, most = cell.tokens, len(base.identifiers)
    slide = {"strategy": "sliding", "window": WINDOW, "stride": WINDOW // 2}
    whole: dict[str, object] = {"strategy": "full"}
    if cell.passages > most:
        whole = {"strategy": "sliding", "window": most, "stride": most // 2}
    settings: dict[str, dict[str, object]] = {
        SLIDING: {"layout": against, **slide},
        FULL: {"layout": against, "strategy": "full"},
        SET: {"layout": "set", **whole},
        **{name: {"layout": base.settings.layout, **whole} for name in STORED},
    }
    return {
        name: base.with_settings(passage_tokens=tokens, **values)
        for name, values in settings.items()
    }


def unfit(reranker: "Reranker", passages: Sequence[Passage]) -> str | None:
    """Why a reranker cannot rank so many passages uncut; None if it can."""
    most = len(reranker.identifiers)
    if reranker.settings.strategy == "full" and len(passages) > most:
        return f"the tokenizer holds {most} identifiers"
    needed = max(reranker.plan(reranker.encode("-", passages)))
    if needed > reranker.window_tokens:
        return f"a window of {needed:,} tokens; {reranker.window_tokens:,} fit the model"
    return None


def stretches(count: int, tokens: int) -> list[Passage]:
    """Passages that reach a cut at `tokens`: the embedded collection's text, in equal stretches.

    Raises:
        DataError: where the collection has less text.
    """
    text = " ".join(passage.text for passage in read_passages().values())
    size = _CHARACTERS_A_TOKEN * tokens
    if len(text) < count * size:
        raise DataError(
            f"the embedded collection holds {len(text):,} characters here, {count * size:,} are "
            "needed; give fewer --sizes or smaller --lengths"
        )
    return [Passage(text[n * size : (n + 1) * size], str(n)) for n in range(count)]


def query(number: int) -> str:
    """One of many queries about the embedded collection."""
    titles = [passage.title or passage.id for passage in read_passages().values()]
    return f"how to use {Random(number).choice(titles)}"
