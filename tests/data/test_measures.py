import math

import pytest

from data.measures import ndcg, ndcg_of, recall

GRADES = {"a": 2, "b": 1, "c": 0, "d": -1}


def test_ndcg_is_that_worked_out_by_hand() -> None:
    ideal = 2 + 1 / math.log2(3)
    assert ndcg_of(["x", "b", "d", "a"], GRADES) == pytest.approx(
        (1 / math.log2(3) + 2 / math.log2(5)) / ideal
    )
    assert ndcg_of(["x", "b", "d", "a"], GRADES, 3) == pytest.approx(1 / math.log2(3) / ideal)
    assert ndcg_of(["a", "b"], GRADES) == 1
    assert ndcg_of(["c"], {"c": 0}) == 0


def test_recall_counts_from_a_grade_on() -> None:
    assert recall(["b", "x", "a"], GRADES, 2) == 0.5
    assert recall(["b", "x", "a"], GRADES, 3) == 1
    assert recall(["b", "x", "a"], GRADES, 2, relevant_from=2) == 0
    assert recall(["c"], {"c": 0}, 1) == 0


def test_by_hand() -> None:
    assert ndcg([0, 3, 1], [3, 1, 0]) == pytest.approx(
        (3 / math.log2(3) + 1 / 2) / (3 + 1 / math.log2(3))
    )


def test_the_ideal_counts_what_was_not_retrieved() -> None:
    assert ndcg([1], [1, 1]) == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_only_the_first_ten_count() -> None:
    assert ndcg([0] * 10 + [1], [1]) == 0
    assert ndcg([1] * 12, [1] * 12) == pytest.approx(1)


def test_nothing_relevant_is_zero() -> None:
    assert ndcg([0, 0], [0, 0]) == 0
    assert ndcg([], []) == 0
    assert ndcg([-2, 1], [-2, 1]) == pytest.approx(1 / math.log2(3))
