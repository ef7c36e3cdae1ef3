"""Tevatron: a query with the lists `positive_passages` and `negative_passages`.

Passages are objects with `text` and, mostly, `docid` and `title`.
"""

from training.convert.converted import Converted, fields
from training.convert.positives import AMBIGUOUS, check_positives, distinct
from training.row import Row, parse_passages


def from_tevatron(record: object) -> Converted:
    """A row of relevance 1 and 0; a negative that is a positive too is dropped.

    Raises:
        RowError: for a record of another shape, or without a positive.
    """
    values = fields(record, "query", "positive_passages")
    positives = parse_passages(values["positive_passages"])
    negatives = parse_passages(values.get("negative_passages") or [])
    check_positives(positives)
    kept = tuple(negatives[place] for place in distinct(positives, negatives))
    relevance = (1.0,) * len(positives) + (0.0,) * len(kept)
    repairs = (AMBIGUOUS,) if len(kept) < len(negatives) else ()
    return Converted(Row(values["query"], positives + kept, relevance), repairs)
