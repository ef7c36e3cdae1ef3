from typing import Any

import pytest

from reranker.passage import Passage
from training.convert.flagembedding import from_flagembedding
from training.convert.positives import AMBIGUOUS
from training.row import Row
from training.skips import RowError


def test_flagembedding() -> None:
    record: dict[str, Any] = {"query": "q", "pos": ["a"], "neg": ["b", "a", "c", "b"]}
    passages = (Passage("a"), Passage("b"), Passage("c"))
    assert from_flagembedding(record).row == Row("q", passages, (1.0, 0.0, 0.0))
    assert from_flagembedding(record).repairs == (AMBIGUOUS,)
    scored = record | {"pos_scores": [-1.5], "neg_scores": [-9.0, 3.0, 0.25, 4]}
    assert from_flagembedding(scored).row == Row("q", passages, (1.0, 0.0, 0.0), (2, 0, 1))
    for scores in ([1.0], None, [1, 2, 3, "4"], [1, 2, 3, float("nan")], "1234"):
        with pytest.raises(RowError, match="neg_scores"):
            from_flagembedding(scored | {"neg_scores": scores})
