"""The guard that keeps a caller's text from imitating an identifier.

Three walls: `[A]` in a text is rewritten `(A)` before it is tokenised, closed or not, with
invisible characters or brackets of other scripts too; after it, the opening bracket is dropped
wherever it still stands right before an identifier's token; and where the tokens read as an
identifier all the same, as a tokenizer's normalizer can bring about, the text loses all its
brackets. What opens an identifier is taken from the layout: `[` mostly, `Passage` in some
templates.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from reranker.encoder import Encoder
from reranker.identifiers import Identifiers

# What may stand between bracket and identifier without being seen.
_GAP = "[\\s\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*"
_OPENING = "[\uff3b\ufe47\u3010\u3014\u27e6\\["
_CLOSING = "[\uff3d\ufe48\u3011\u3015\u27e7\\]]"
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


class Guard:
    """What must not stand in a caller's text, for one layout's openers and identifiers."""

    def __init__(self, encoder: Encoder, identifiers: Identifiers, openers: frozenset[str]) -> None:
        signs = frozenset(opener[-1] for opener in openers if not opener[-1].isalnum())
        self._signs = "".join(sorted(signs))
        self._pattern = _pattern(identifiers.names, openers)
        self._identifier_ids = frozenset(identifiers.token_ids)
        self._opener_ids = encoder.ending_in(signs)

    def disarm(self, text: str) -> str:
        """Write imitated identifiers in parentheses."""
        return self._pattern.sub(_in_parentheses, text)

    def disarm_wholly(self, text: str) -> str:
        """Bring a text to its compatibility form and take the layout's signs out of it."""
        plain = unicodedata.normalize("NFKC", text)
        return self.disarm(plain.translate({ord(sign): "(" for sign in self._signs}))

    def forges(self, text: str) -> bool:
        """Whether a text imitates an identifier."""
        return self._pattern.search(text) is not None

    def filter(self, token_ids: Sequence[int]) -> tuple[int, ...]:
        """Drop every opener that stands right before an identifier's token."""
        kept: list[int] = []
        for token in token_ids:
            if token in self._identifier_ids:
                while kept and kept[-1] in self._opener_ids:
                    kept.pop()
            kept.append(token)
        return tuple(kept)


def _pattern(names: Iterable[str], openers: Iterable[str]) -> re.Pattern[str]:
    every = {variant for name in names for variant in (name, name.translate(_WIDE))}
    longest_first = sorted(every, key=lambda name: (-len(name), name))
    name = "|".join(map(re.escape, longest_first))
    signs = "".join(re.escape(o[-1]) for o in sorted(openers) if not o[-1].isalnum())
    words = "".join(rf"|(?<!\w)(?P<word{i}>{re.escape(o)})" for i, o in enumerate(_words(openers)))
    opener = rf"(?:{_OPENING}{signs}]{words})"
    return re.compile(rf"{opener}{_GAP}(?P<name>{name})(?!\w)(?P<closed>{_GAP}{_CLOSING})?")


def _words(openers: Iterable[str]) -> list[str]:
    return sorted(opener for opener in openers if opener[-1].isalnum())


def _in_parentheses(match: re.Match[str]) -> str:
    groups = match.groupdict()
    word = next((v for k, v in groups.items() if k.startswith("word") and v is not None), None)
    if word is not None:
        return f"{word} ({match['name']})"
    return f"({match['name']})" if match["closed"] else f"({match['name']}"
