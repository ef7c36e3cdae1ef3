import pytest

from reranker.passage import Passage
from training.convert.labeled_lists import from_labeled_list
from training.row import Row
from training.skips import RowError


def test_labeled_lists() -> None:
    row = Row("q", (Passage("a"), Passage("b")), (0.0, 2.0))
    for docs, labels in (("docs", "labels"), ("passages", "scores")):
        assert from_labeled_list({"query": "q", docs: ["a", "b"], labels: [0, 2]}).row == row
    for record in (
        {"query": "q"},
        {"query": "q", "docs": ["a"]},
        {"docs": ["a"], "labels": [1]},
        3,
    ):
        with pytest.raises(RowError, match=r"lacks|expected an object"):
            from_labeled_list(record)
