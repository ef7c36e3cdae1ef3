import math

import pytest

from data.measures import ndcg, recall

GRADES = {"a": 2, "b": 1, "c": 0, "d": -1}


def test_ndcg_is_that_worked_out_by_hand() -> None:
    ideal = 2 + 1 / math.log2(3)
    assert ndcg(["x", "b", "d", "a"], GRADES) == pytest.approx(
        (1 / math.log2(3) + 2 / math.log2(5)) / ideal
    )
    assert ndcg(["x", "b", "d", "a"], GRADES, 3) == pytest.approx(1 / math.log2(3) / ideal)
    assert ndcg(["a", "b"], GRADES) == 1
    assert ndcg(["c"], {"c": 0}) == 0


def test_recall_counts_from_a_grade_on() -> None:
    assert recall(["b", "x", "a"], GRADES, 2) == 0.5
    assert recall(["b", "x", "a"], GRADES, 3) == 1
    assert recall(["b", "x", "a"], GRADES, 2, relevant_from=2) == 0
    assert recall(["c"], {"c": 0}, 1) == 0
