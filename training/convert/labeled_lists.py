"""Labeled lists: what the listwise losses of sentence-transformers' cross-encoders read.

A record holds `query`, `docs` (or `documents`, `passages`) and `labels` (or `label`, `scores`),
numbers of at least 0, one a document.
"""

from collections.abc import Mapping
from typing import Any

from training.convert.converted import Converted, fields
from training.row import Row, parse_passages, parse_relevance

_PASSAGES = ("docs", "documents", "passages")
_LABELS = ("labels", "label", "scores")


def from_labeled_list(record: object) -> Converted:
    """A row whose relevance is the labels.

    Raises:
        RowError: for a record of another shape.
    """
    values = fields(record, "query")
    passages = parse_passages(_first(values, _PASSAGES))
    return Converted(Row(values["query"], passages, parse_relevance(_first(values, _LABELS))))


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> object:
    """What stands under the first of the names that the record has."""
    present = next((name for name in names if values.get(name) is not None), names[0])
    return fields(values, present)[present]
