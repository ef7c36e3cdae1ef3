"""Identifiers: the names that passages carry in a window, each one token for the model at hand.

An identifier counts only if a single token, put after the very tokens that the prompt ends
with, reads as the identifier and nothing else. So `A` is the bare letter after `[`, not the
letter with a space before it, whatever the tokenizer would merge `[A` into.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from string import ascii_lowercase, ascii_uppercase

from reranker.encoder import Encoder
from reranker.errors import IdentifierError, SettingsError

_PAIRS = tuple(first + second for first, second in product(ascii_uppercase, repeat=2))

ALPHABETS: dict[str, tuple[str, ...]] = {
    "letters": tuple(ascii_uppercase),
    "mixed": tuple(ascii_uppercase + ascii_lowercase),
    "capitals": tuple(ascii_uppercase) + _PAIRS,
    "numbers": tuple(str(number) for number in range(1, 1001)),
}
# Alphabets of which a tokenizer may hold any part; of the others every identifier is needed.
_CHOSEN_BY_TOKENIZER = frozenset({"capitals"})
_LEAST = 2


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Names and their token ids, in the order in which they are dealt to passages."""

    names: tuple[str, ...]
    token_ids: tuple[int, ...]
    missing: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def first(self, count: int) -> "Identifiers":
        """The first `count` identifiers.

        Raises:
            IdentifierError: if there are fewer, naming what did not resolve.
        """
        if count > len(self):
            raise IdentifierError(
                f"a window of {count} passages needs {count} identifiers and the tokenizer has "
                f"{len(self)}{_unresolved(self.missing)}; use smaller windows, "
                "strategy='sliding' or 'partition', or a larger alphabet ('capitals' is largest)"
            )
        return Identifiers(self.names[:count], self.token_ids[:count])

    def at(self, places: Sequence[int]) -> "Identifiers":
        """The identifiers at these places of the table, in this order."""
        names, token_ids = self.names, self.token_ids
        return Identifiers(tuple(names[i] for i in places), tuple(token_ids[i] for i in places))


def resolve(alphabet: str | Sequence[str], encoder: Encoder, context: Sequence[int]) -> Identifiers:
    """Resolve an alphabet, by name or as a list, after the `context` tokens of a prompt's end.

    Raises:
        IdentifierError: if an identifier of a fixed alphabet is not one token, naming all such.
        SettingsError: for an unknown alphabet, or one with duplicates.
    """
    names = _names(alphabet)
    found = {name: _token(name, encoder, tuple(context)) for name in names}
    resolved = {name: token for name, token in found.items() if token is not None}
    missing = tuple(name for name in names if name not in resolved)
    if isinstance(alphabet, str) and alphabet == "numbers":
        resolved = _unbroken(names, resolved)
    elif missing and not (isinstance(alphabet, str) and alphabet in _CHOSEN_BY_TOKENIZER):
        raise IdentifierError(
            f"these identifiers are not one token each for this tokenizer: {_listed(missing)}; "
            f"give others, or one of {sorted(ALPHABETS)}"
        )
    if len(resolved) < _LEAST:
        raise IdentifierError(
            f"the tokenizer holds {len(resolved)} of the identifiers {_listed(names)} as single "
            f"tokens; ranking needs at least {_LEAST}. Give others, or one of {sorted(ALPHABETS)}"
        )
    return Identifiers(tuple(resolved), tuple(resolved.values()), missing)


def _names(alphabet: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(alphabet, str):
        if alphabet not in ALPHABETS:
            raise SettingsError(
                f"unknown identifiers {alphabet!r}; known are {sorted(ALPHABETS)}, or give a list"
            )
        return ALPHABETS[alphabet]
    names = tuple(alphabet)
    if wrong := [name for name in names if not isinstance(name, str) or not name.strip()]:
        raise SettingsError(f"identifiers must be strings with a visible character, found {wrong}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"identifiers given twice: {_listed(twice)}")
    return names


def _token(name: str, encoder: Encoder, context: tuple[int, ...]) -> int | None:
    expected = encoder.decode(context) + name
    for token in encoder.single_tokens(name):
        if token not in encoder.control_ids and encoder.decode((*context, token)) == expected:
            return token
    return None


def _unbroken(names: tuple[str, ...], resolved: dict[str, int]) -> dict[str, int]:
    """Numbers up to the first that is not one token: a gap would mislead the model."""
    kept: dict[str, int] = {}
    for name in names:
        if name not in resolved:
            break
        kept[name] = resolved[name]
    return kept


def _unresolved(missing: tuple[str, ...]) -> str:
    return f" (not one token: {_listed(missing)})" if missing else ""


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(names[:12])
    return f"{shown}, … ({len(names)} in all)" if len(names) > 12 else shown
