"""From the passages that a judgment names to those that the running Python has."""

import logging
from collections import defaultdict
from collections.abc import Mapping

from data.embedded.cutting import slug
from reranker.passage import Passage
from reranker.qrels import Qrels

# A few words are found in many passages of a document; these many point at one.
POINTING_WORDS = 3

logger = logging.getLogger(__name__)


def resolve(judgments: Qrels, passages: Mapping[str, Passage]) -> Qrels:
    """The judgments by passage id; of two that name one passage, the higher grade counts.

    A reference is a passage id, or a document and words that its passage holds,
    `topics.raise#the-from-clause-is-used-for`: so it stands when another Python's documentation
    is cut elsewhere. One that names no passage is dropped, and with its last one a query.
    """
    finder = _Finder(passages)
    resolved = {id_: _resolve_query(grades, finder) for id_, grades in judgments.items()}
    for id_ in [id_ for id_, grades in resolved.items() if not any(grades.values())]:
        logger.warning("query %s is left out: this Python has no passage relevant to it", id_)
        del resolved[id_]
    return resolved


def _resolve_query(grades: Mapping[str, int], finder: "_Finder") -> dict[str, int]:
    found: dict[str, int] = {}
    for reference, grade in grades.items():
        if id_ := finder.find(reference):
            found[id_] = max(grade, found.get(id_, 0))
    return found


class _Finder:
    def __init__(self, passages: Mapping[str, Passage]) -> None:
        self._passages = passages
        self._documents: defaultdict[str, list[Passage]] = defaultdict(list)
        for id_, passage in passages.items():
            self._documents[id_.partition("#")[0]].append(passage)

    def find(self, reference: str) -> str | None:
        """The id of the passage that a reference names, or None."""
        if reference in self._passages:
            return reference
        name, _, words = reference.partition("#")
        if words.count("-") + 1 < POINTING_WORDS:
            return None
        matching = (p.id for p in self._documents[name] if f"-{words}-" in f"-{slug(p.text)}-")
        return next(matching, None)
