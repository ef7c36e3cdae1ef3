"""The language reference: the topics that `help("TOPIC")` shows, section by section."""

import importlib
import re
from collections.abc import Iterator

from data.embedded.document import Document

HEADING = re.compile(r'^(?P<title>\S.*)\n(?P<sign>[*=\-~^"])(?P=sign){2,}\n', re.MULTILINE)


def read_topics() -> Iterator[Document]:
    """The sections of every topic in order, the shortest topic first.

    Some topics quote others whole: shortest first, a text is met under its own topic.
    """
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ImportError:
        return
    for name, text in sorted(topics.items(), key=lambda item: (len(item[1]), item[0])):
        yield from _sections(f"topics.{name}", text)


def _sections(name: str, text: str) -> Iterator[Document]:
    places = list(HEADING.finditer(text))
    start = places[0].start() if places else len(text)
    if text[:start].strip():
        yield Document(name, name, text[:start])
    ends = [place.start() for place in places[1:]] + [len(text)]
    for place, end in zip(places, ends, strict=True):
        yield _section(name, _plain(places[0]["title"]), place, text[place.end() : end])


def _section(name: str, topic: str, place: re.Match[str], text: str) -> Document:
    heading = _plain(place["title"])
    title = topic if heading == topic else f"{topic}: {heading}"
    return Document(name, title, text.strip("\n"), heading)


def _plain(heading: str) -> str:
    return re.sub(r'["*`]', "", heading)
