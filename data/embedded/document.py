"""A document: the documentation of one name, before it is cut into passages."""

from dataclasses import dataclass

TITLE_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Document:
    """What is written about one public name, e.g. `itertools.groupby`, or a topic's section.

    `title` is the name with its signature, where that is known; `text` is the cleaned docstring;
    `section` is the heading of a topic's section.
    """

    name: str
    title: str
    text: str
    section: str = ""


def is_public(name: str) -> bool:
    """Whether no part of a dotted name starts with an underscore."""
    return not any(part.startswith("_") for part in name.split("."))
