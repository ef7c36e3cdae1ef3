"""Passages, and how a caller's own objects become them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reranker.errors import InputError

TEXT_KEYS = ("text", "contents", "content", "passage", "body")
ID_KEYS = ("id", "_id", "docid", "pid")


@dataclass(frozen=True, slots=True)
class Passage:
    """One candidate: its text and, where there are any, its id and title."""

    text: str
    id: str | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InputError(f"a passage's text is {type(self.text).__name__}; expected a string")
        for name in ("id", "title"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise InputError(
                    f"a passage's {name} is {type(value).__name__}; expected a string or None"
                )


def indexed_text(passage: Passage) -> str:
    """What a first stage indexes of a passage: its title, where it has one, and its text."""
    return f"{passage.title} {passage.text}" if passage.title else passage.text


def as_passages(passages: Iterable[object]) -> list[Passage]:
    """Read strings, mappings or `Passage` objects, in order, without changing them.

    A mapping gives its text under `text` (or `contents`, `content`, `passage`, `body`), and
    may give `id` (or `_id`, `docid`, `pid`) and `title`.

    Raises:
        InputError: for a string in place of a list, or an element of another kind.
    """
    if isinstance(passages, str | bytes | Mapping):
        raise InputError(
            f"passages must be a list of passages, found one {type(passages).__name__}; "
            "wrap it in a list"
        )
    try:
        elements = list(passages)
    except TypeError:
        raise InputError(
            f"passages must be a list of strings, dicts or Passage objects, "
            f"found {type(passages).__name__}"
        ) from None
    return [_as_passage(element, place) for place, element in enumerate(elements)]


def _as_passage(element: object, place: int) -> Passage:
    match element:
        case Passage():
            return element
        case str():
            return Passage(element)
        case Mapping():
            return _from_mapping(element, place)
    raise InputError(
        f"passage {place} is {type(element).__name__}; expected a string, a dict with 'text', "
        "or a reranker.Passage"
    )


def _from_mapping(element: Mapping[str, object], place: int) -> Passage:
    text = _first(element, TEXT_KEYS)
    if not isinstance(text, str):
        raise InputError(
            f"passage {place} is a dict with keys {list(element)[:8]} and no string under any of "
            f"{list(TEXT_KEYS)}; give its text as 'text'"
        )
    id_, title = _first(element, ID_KEYS), element.get("title")
    if title is not None and not isinstance(title, str):
        raise InputError(f"passage {place} has a title of {type(title).__name__}, not a string")
    return Passage(text, None if id_ is None else str(id_), title or None)


def _first(element: Mapping[str, object], keys: tuple[str, ...]) -> object:
    return next((element[key] for key in keys if element.get(key) is not None), None)
