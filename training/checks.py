"""Checks of a row's parts; each raises `RowError`, saying what was found and how to mend it."""

import math
from collections.abc import Sequence
from typing import cast

from reranker.passage import Passage
from training.skips import Reason, RowError


def check_texts(query: object, passages: Sequence[object]) -> None:
    """Check that there is a query, and passages, none of them blank."""
    check_query(query)
    if not passages:
        raise RowError("the row has no passages; add some or drop it", Reason.EMPTY)
    for place, passage in enumerate(cast(Sequence[Passage], passages)):
        if not passage.text.strip() and not (passage.title or "").strip():
            raise RowError(f"passage {place} is blank; give it a text or drop it", Reason.EMPTY)


def check_query(query: object) -> None:
    """Check that a query is a text that is not blank."""
    if not isinstance(query, str):
        raise RowError(f"expected a string as query, found {repr(query)[:60]}")
    if not query.strip():
        raise RowError("the query is blank; give it a text or drop the row", Reason.EMPTY)


def check_relevance(relevance: Sequence[float], count: int) -> None:
    """Check that there is one finite grade of at least 0 a passage."""
    if len(relevance) != count:
        raise RowError(f"{count} passages have {len(relevance)} grades; give one a passage")
    for place, grade in enumerate(relevance):
        if not (math.isfinite(grade) and grade >= 0):
            raise RowError(
                f"passage {place} has a relevance of {grade}; grades are finite and at least 0: "
                "shift a teacher's scores, or give their order as 'ranking'"
            )


def check_ranking(ranking: Sequence[object], count: int) -> None:
    """Check that a ranking names places of the passages, each at most once."""
    for place in ranking:
        if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < count:
            raise RowError(
                f"the ranking holds {place!r}; expected places of the {count} passages, "
                f"0 to {count - 1}, or else all of it passage ids"
            )
    if len(set(ranking)) < len(ranking):
        raise RowError(f"the ranking names a passage twice: {list(ranking)[:40]}")
