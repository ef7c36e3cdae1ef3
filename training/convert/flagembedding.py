"""FlagEmbedding: `query`, the lists `pos` and `neg` and, with a teacher, a score for each.

The scores are `pos_scores` and `neg_scores`. Their order becomes the row's ranking: a teacher's
logits have no zero to call relevant, so relevance stays 1 for `pos` and 0 for `neg`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from training.convert.converted import Converted, fields, listed
from training.convert.positives import AMBIGUOUS, check_positives, distinct
from training.row import Row, parse_passages
from training.skips import RowError


def from_flagembedding(record: object) -> Converted:
    """A row of relevance 1 and 0, and the teacher's ranking where there are scores.

    Raises:
        RowError: for a record of another shape, or without a positive.
    """
    values = fields(record, "query", "pos")
    positives = parse_passages(values["pos"])
    negatives = parse_passages(values.get("neg") or [])
    check_positives(positives)
    places = distinct(positives, negatives)
    passages = positives + tuple(negatives[place] for place in places)
    relevance = (1.0,) * len(positives) + (0.0,) * len(places)
    scores = _scores(values, len(positives), len(negatives))
    rows = [*range(len(positives)), *(len(positives) + place for place in places)]
    ranking = _ranking([scores[row] for row in rows]) if scores else None
    repairs = (AMBIGUOUS,) if len(places) < len(negatives) else ()
    return Converted(Row(values["query"], passages, relevance, ranking), repairs)


def _scores(values: Mapping[str, Any], positives: int, negatives: int) -> list[float] | None:
    """The scores of positives and then negatives, or None where there are none."""
    if not values.get("pos_scores") and not values.get("neg_scores"):
        return None
    found = _numbers(values, "pos_scores", positives)
    return found + (_numbers(values, "neg_scores", negatives) if negatives else [])


def _numbers(values: Mapping[str, Any], name: str, count: int) -> list[float]:
    scores = listed(values.get(name), name)
    if len(scores) != count:
        raise RowError(f"{count} passages have {len(scores)} {name}; give one each, or none at all")
    for score in scores:
        if not isinstance(score, int | float) or not math.isfinite(score):
            raise RowError(f"{name} holds {score!r}; expected finite numbers")
    return list(scores)


def _ranking(scores: Sequence[float]) -> tuple[int, ...]:
    return tuple(sorted(range(len(scores)), key=lambda place: -scores[place]))
