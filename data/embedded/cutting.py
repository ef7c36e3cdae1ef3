"""Cutting documents into passages of some 60 to 150 words, at the ends of paragraphs."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from textwrap import dedent

from data.embedded.document import Document
from reranker.passage import Passage

MIN_CHARACTERS = 36
FEW_WORDS, MANY_WORDS, WHOLE_WORDS = 60, 150, 180
SLUG_WORDS = 6


def cut(documents: Iterable[Document]) -> dict[str, Passage]:
    """Passages by id, in order; texts of under 36 characters, or met before, are left out.

    A document's first passage has the document's name as its id. A later one adds its heading or
    the words it begins with, `topics.for#names-in-the-target-list-are`: unlike a running
    number, they still name the passage when another Python changes what stands before it.
    """
    passages: dict[str, Passage] = {}
    seen: set[str] = set()
    for document in documents:
        for piece in pieces(document):
            words = slug(piece.text)
            if len(piece.text) >= MIN_CHARACTERS and words not in seen:
                seen.add(words)
                id_ = _free_id(piece, passages)
                passages[id_] = Passage(piece.text, id_, piece.title)
    return passages


def slug(text: str) -> str:
    """The words of a text, in lower case, joined by hyphens."""
    return "-".join(re.findall(r"[a-z0-9_]+", text.lower()))


def _free_id(piece: Document, taken: dict[str, Passage]) -> str:
    if piece.name not in taken:
        return piece.name
    heading = [slug(piece.section)] if piece.section else []
    words = heading + slug(piece.text).split("-")
    for count in range(len(heading) or SLUG_WORDS, len(words)):
        if (id_ := f"{piece.name}#{'-'.join(words[:count])}") not in taken:
            return id_
    return f"{piece.name}#{'-'.join(words)}"  # texts differ, so this one is free


def pieces(document: Document) -> Iterator[Document]:
    """The document in parts; the first alone keeps the section's heading."""
    section = document.section
    for text in _groups(document.text):
        yield replace(document, text=dedent(text).strip(), section=section)
        section = ""


def _groups(text: str) -> list[str]:
    if _words(text) <= WHOLE_WORDS:
        return [text]
    groups: list[list[str]] = [[]]
    for paragraph in _paragraphs(text):
        if not _fits(groups[-1], paragraph):
            groups.append(_opening(groups[-1], paragraph))
        groups[-1].append(paragraph)
    if len(groups) > 1 and sum(map(_words, groups[-1])) < FEW_WORDS // 2:
        groups[-2:] = [groups[-2] + groups[-1]]
    return ["\n\n".join(group) for group in groups]


def _fits(group: list[str], paragraph: str) -> bool:
    words = sum(map(_words, group))
    if words < FEW_WORDS:
        return True
    if _indent(paragraph) < _indent(group[-1]):
        return False  # an indented entry or example has just ended
    return words + _words(paragraph) <= (WHOLE_WORDS if _indent(paragraph) else MANY_WORDS)


def _opening(group: list[str], paragraph: str) -> list[str]:
    """The group's last paragraph, taken off it, if it introduces the paragraph that follows."""
    introduces = group[-1].endswith(":") or _indent(group[-1]) < _indent(paragraph)
    return [group.pop()] if len(group) > 1 and introduces else []


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n[ \t]*\n", text.strip("\n")):
        lines: list[str] = []
        for line in paragraph.rstrip().split("\n"):
            if sum(map(_words, lines)) + _words(line) > MANY_WORDS and lines:
                yield "\n".join(lines)
                lines = []
            lines.append(line)
        yield "\n".join(lines)


def _words(text: str) -> int:
    return len(text.split())


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))
