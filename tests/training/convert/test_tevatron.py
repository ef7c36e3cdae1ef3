import pytest

from reranker.passage import Passage
from training.convert.positives import AMBIGUOUS
from training.convert.tevatron import from_tevatron
from training.row import Row
from training.skips import Reason, RowError


def test_tevatron() -> None:
    record = {
        "query_id": "1",
        "query": "q",
        "positive_passages": [{"docid": "p", "title": "T", "text": "a"}],
        "negative_passages": [
            {"docid": "n", "title": "", "text": "b"},
            {"docid": "p", "text": "c"},
        ],
    }
    converted = from_tevatron(record)
    assert converted.row == Row("q", (Passage("a", "p", "T"), Passage("b", "n")), (1.0, 0.0))
    assert converted.repairs == (AMBIGUOUS,)
    with pytest.raises(RowError) as caught:
        from_tevatron(record | {"positive_passages": []})
    assert caught.value.reason is Reason.NO_POSITIVE
