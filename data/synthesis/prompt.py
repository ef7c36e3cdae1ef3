"""The prompt of a synthetic query: worked examples, then the passage to ask about.

After Promptagator (Dai et al., arXiv 2209.11755) and InPars (Bonifacio et al., arXiv 2202.05144).
Every text is tokenised apart, so that no passage can end its turn or begin another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reranker.cli.items import json_value
from reranker.cli.lines import read_lines
from reranker.encoder import Encoder
from reranker.errors import DataError, SettingsError

# The rendering of turns that layouts are compiled with: undated, and without thoughts.
from reranker.form import chat_text
from reranker.passage import Passage

_MARK = "\ue000"
_ASKED = f"Passage: {_MARK}\n\nWrite a search query that this passage answers."
_LABELLED = f"Passage: {_MARK}\nQuery:"


@dataclass(frozen=True, slots=True)
class Example:
    """A passage, and a query as someone would ask it who looks for this passage."""

    passage: str
    query: str


EXAMPLES = (
    Example(
        "Bees see ultraviolet light, which people cannot. Many flowers have patterns that only "
        "show in it and lead to the nectar, so that a bee finds it faster.",
        "how do flowers guide insects to their nectar",
    ),
    Example(
        "Concrete goes on hardening for years after it is poured. Kept wet for the first seven "
        "days, it becomes up to half as strong again as when it dries in the air.",
        "effect of moist curing on the strength of concrete",
    ),
    Example(
        "The court held that a landlord may keep the deposit for damage, but not for ordinary "
        "wear, such as faded paint or a worn carpet, and must list each deduction in writing.",
        "Can my landlord charge me for worn carpet when I move out?",
    ),
)


def read_examples(path: Path) -> tuple[Example, ...]:
    """Examples of a JSONL file, `{"passage": …, "query": …}` a line.

    Raises:
        DataError: for a line that is none, naming it, or a file without any.
    """
    examples = tuple(_example(json_value(line, place), place) for place, line in read_lines(path))
    if not examples:
        raise DataError(f"{path} holds no example; give one a line, {_FORM}")
    return examples


_FORM = '{"passage": "…", "query": "…"}'


def _example(row: object, place: str) -> Example:
    texts = [row.get(key) for key in ("passage", "query")] if isinstance(row, dict) else []
    match texts:
        case [str(passage), str(query)] if passage.strip() and query.strip():
            return Example(passage, query)
    raise DataError(f"{place}: expected {_FORM} with two texts, found {str(row)[:60]!r}")


class QueryPrompt:
    """Turns passages into the token ids of prompts.

    Args:
        encoder: the tokenizer at hand.
        examples: worked examples; they stand first.
        passage_tokens: where passages are cut.
        plain: as running text, even where the model has a chat template.

    Raises:
        SettingsError: for a chat template that does not render the turns.
    """

    def __init__(
        self, encoder: Encoder, examples: Sequence[Example], *, passage_tokens: int, plain: bool
    ) -> None:
        self._encoder, self._limit = encoder, passage_tokens
        *literals, closing = _literals(encoder.tokenizer, len(examples), plain)
        given = [text for one in examples for text in (one.passage, one.query)]
        prefix = list(encoder.opening(literals[0].removesuffix(" ")))
        for before, text, after in zip(literals, given, literals[1:], strict=False):
            prefix += self._ids([text], before)[0]
            prefix += encoder.literal(after.removesuffix(" "))
        self._before, self._prefix = literals[-1], tuple(prefix)
        self._closing = encoder.literal(closing)

    @property
    def most_tokens(self) -> int:
        """Tokens of a prompt whose passage is as long as it may be."""
        return len(self._prefix) + self._limit + len(self._closing)

    def rows(self, passages: Sequence[Passage]) -> list[tuple[int, ...]]:
        """The token ids of each passage's prompt."""
        encoded = self._ids([_titled(passage) for passage in passages], self._before)
        return [(*self._prefix, *ids, *self._closing) for ids in encoded]

    def _ids(self, texts: Sequence[str], before: str) -> list[tuple[int, ...]]:
        """The texts after a literal, whose last space belongs to their first tokens."""
        spaced = before.endswith(" ")
        encoded = self._encoder.texts(texts, self._limit, spaced=spaced)
        return [text.token_ids for text in encoded]


def _titled(passage: Passage) -> str:
    return ": ".join(part for part in (passage.title, passage.text) if part)


def _literals(tokenizer: Any, examples: int, plain: bool) -> list[str]:
    """What is our own of a prompt: before, between and after its texts, `(2 examples + 2,)`."""
    chat = bool(tokenizer.chat_template) and not plain
    rendered = _chat(tokenizer, examples) if chat else _plain(examples)
    literals = rendered.split(_MARK)
    if len(literals) != 2 * examples + 2:
        raise SettingsError(
            f"the model's chat template does not keep the turns of {examples} examples; ask in "
            "plain text, with --plain"
        )
    return literals


def _plain(examples: int) -> str:
    return f"{_LABELLED} {_MARK}\n\n" * examples + _LABELLED


def _chat(tokenizer: Any, examples: int) -> str:
    turns = [("user", _ASKED), ("assistant", _MARK)] * examples
    try:
        return chat_text(tokenizer, [*turns, ("user", _ASKED)])
    except Exception as error:
        raise SettingsError(
            f"the model's chat template refuses the turns of examples ({error}); ask in plain "
            "text, with --plain"
        ) from error
