"""Answers of listwise rerankers, `[2] > [1] > [3]`, read leniently: many are malformed.

Identifiers count where they stand in brackets. An answer may open in the middle of its first
bracket (`2] > [1]`), where the prompt ended with one. Only an answer without brackets may have
bare identifiers, and then nothing else but `>`, `,` and spaces between them: the numbers of
"20 passages are provided" rank nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from training.skips import RowError

UNKNOWN = "answer names identifiers that no passage has"
REPEATED = "answer repeats identifiers"
MISSING = "answer leaves out identifiers"

_BRACKETED = re.compile(r"\[\s*([A-Za-z]{1,2}|\d{1,6})\s*\]")
_OPENING = re.compile(r"\s*([A-Za-z]{1,2}|\d{1,6})\s*(?=[\]>])")
_BARE = re.compile(r"\s*\w{1,6}(?:\s*[>,]\s*\w{1,6})+[\s.]*")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Answer:
    """A ranking as places in the prompt, best first, and what was wrong with the answer.

    `named` is how many of the ranking's places the answer named; the others follow in the order
    of the prompt.
    """

    ranking: tuple[int, ...]
    named: int
    repairs: tuple[str, ...] = ()


def parse_answer(text: str, identifiers: Sequence[str]) -> Answer:
    """The ranking of the passages that carry these identifiers, in the order of the prompt.

    Unknown and repeated identifiers are dropped, those left out are appended in order.

    Raises:
        RowError: for an answer that names no passage at all.
    """
    places = {name: place for place, name in enumerate(identifiers)}
    found = [places.get(name, places.get(name.upper())) for name in _names(text)]
    known = [place for place in found if place is not None]
    named = tuple(dict.fromkeys(known))
    if not named:
        raise RowError(f"the answer names none of the {len(places)} passages: {text[:60]!r}")
    missing = tuple(place for place in range(len(places)) if place not in set(named))
    wrong = {
        UNKNOWN: len(known) < len(found),
        REPEATED: len(named) < len(known),
        MISSING: bool(missing),
    }
    return Answer(named + missing, len(named), tuple(name for name in wrong if wrong[name]))


def _names(text: str) -> list[str]:
    bracketed = _BRACKETED.findall(text)
    if bracketed:
        opening = _OPENING.match(text)
        return ([opening[1]] if opening else []) + bracketed
    return _WORD.findall(text) if _BARE.fullmatch(text) else []
