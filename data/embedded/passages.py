"""The embedded passages: the documentation of the running interpreter's standard library."""

import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from types import MappingProxyType

from data.embedded.compiled import read_builtins, read_modules
from data.embedded.cutting import MIN_CHARACTERS, cut
from data.embedded.document import Document
from data.embedded.sources import read_sources
from data.embedded.topics import read_topics
from reranker.passage import Passage


@lru_cache(maxsize=1)
def read_passages() -> Mapping[str, Passage]:
    """Passages by id, read once a process; the same in every process of the same Python.

    Raises:
        DataError: where the interpreter has no sources on disk.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own code, such as an old escape sequence
        return MappingProxyType(cut(chain(_named_documents(), read_topics())))


def _named_documents() -> Iterator[Document]:
    """One document a name: the Python source's prose is preferred to the C module's."""
    seen: set[str] = set()
    for document in chain(read_builtins(), read_sources(), read_modules()):
        if document.name not in seen and len(document.text) >= MIN_CHARACTERS:
            seen.add(document.name)
            yield document
