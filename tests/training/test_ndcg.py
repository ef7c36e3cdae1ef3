from math import log2

import pytest

from training.ndcg import ndcg


def test_by_hand():
    assert ndcg([0, 3, 1], [3, 1, 0]) == pytest.approx((3 / log2(3) + 1 / 2) / (3 + 1 / log2(3)))


def test_the_ideal_counts_what_was_not_retrieved():
    assert ndcg([1], [1, 1]) == pytest.approx(1 / (1 + 1 / log2(3)))


def test_only_the_first_ten_count():
    assert ndcg([0] * 10 + [1], [1]) == 0
    assert ndcg([1] * 12, [1] * 12) == pytest.approx(1)


def test_nothing_relevant_is_zero():
    assert ndcg([0, 0], [0, 0]) == 0
    assert ndcg([], []) == 0
    assert ndcg([-2, 1], [-2, 1]) == pytest.approx(1 / log2(3))
