"""Cleaning: what a model wrote becomes a query, or is of no use for a reason that is counted."""

import re
from collections.abc import Iterable
from enum import StrEnum

from reranker.errors import InputError
from reranker.passage import Passage
from reranker.text import clean

# So many words like the passage's first make a copy, however the query goes on.
_COPIED_WORDS = 6
# Bullets (- * • –), numbers and labels.
_LEAD = re.compile(
    r"(?:[-*\u2022\u2013]+\s|\(?\d{1,2}[.):]\s|(?:search\s+)?(?:query|question)\s*\d*\s*:)\s*",
    re.IGNORECASE,
)
_QUOTES = "\"“”„«»`*'\u2018\u2019"


class Fault(StrEnum):
    """Why an answer is no query to train on."""

    UNFINISHED = "unfinished"
    SHORT = "too short"
    LONG = "too long"
    COPIED = "copied"
    DUPLICATE = "duplicate"


class Cleaner:
    """Cleans answers one after another; of equal queries the first alone is one.

    Args:
        least: characters of a query, at least.
        most: characters of a query, at most.
        known: queries that are none of this corpus's, such as the examples'.

    Raises:
        InputError: for limits that nothing meets.
    """

    def __init__(self, *, least: int = 12, most: int = 200, known: Iterable[str] = ()) -> None:
        if not 1 <= least <= most:
            raise InputError(f"a query needs 1 <= least <= most characters: {least}, {most}")
        self._least, self._most = least, most
        self._seen = set(map(_words, known))

    def query(self, answer: str | None, passage: Passage) -> str | Fault:
        """The query in an answer about a passage, or why there is none."""
        if answer is None:
            return Fault.UNFINISHED
        text = tidied(answer)
        words = _words(text)
        if len(text) < self._least or not words:
            return Fault.SHORT
        if len(text) > self._most:
            return Fault.LONG
        if copies(text, passage):
            return Fault.COPIED
        if words in self._seen:
            return Fault.DUPLICATE
        self._seen.add(words)
        return text


def tidied(answer: str) -> str:
    """An answer on one line, without numbering, labels and quotes around it."""
    text, before = clean(answer), None
    while text != before:
        before = text
        text = _unquoted(text)
        lead = _LEAD.match(text)
        text = text[lead.end() :] if lead else text
    return text


def copies(query: str, passage: Passage) -> bool:
    """Whether a query begins with the passage's, or its title's, first words."""
    first = _words(query)[:_COPIED_WORDS]
    texts = (passage.text, passage.title or "")
    return any(_words(text[: 64 * _COPIED_WORDS])[: len(first)] == first for text in texts)


def _unquoted(text: str) -> str:
    inner = text.strip(_QUOTES).strip()
    return text if any(sign in inner for sign in '"“”') else inner


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.casefold()))
