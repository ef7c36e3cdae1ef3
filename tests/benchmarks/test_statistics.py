from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.statistics import bootstrap, compare, holm, randomisation_test

EIGHTHS = st.integers(-8, 8).map(lambda n: n / 8)


def test_the_interval_of_equal_values_is_a_point() -> None:
    found = bootstrap([0.5] * 20)
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)


def test_the_interval_is_near_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(0.4, 0.2, 400)
    found = bootstrap(values)
    error = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=error / 10)
    assert found.high == pytest.approx(values.mean() + error, abs=error / 10)
    assert bootstrap(values) == found


@given(st.lists(EIGHTHS, min_size=1, max_size=7))
def test_few_differences_are_tested_exactly(differences: list[float]) -> None:
    signs = list(product((-1, 1), repeat=len(differences)))
    totals = [abs(np.dot(sign, differences)) for sign in signs]
    expected = np.mean([total >= abs(sum(differences)) for total in totals])
    zeros = [0.0] * len(differences)
    assert randomisation_test(zeros, differences) == pytest.approx(expected)


def test_many_differences_are_sampled() -> None:
    generator = np.random.default_rng(2)
    first = generator.normal(0, 1, 60)
    assert randomisation_test(first, first + 1) < 0.001
    assert randomisation_test(first, first + generator.normal(0, 1, 60)) > 0.01
    assert randomisation_test(first, first) == 1


def test_holm_by_hand() -> None:
    # Sorted: .01 × 3, .03 × 2, .04 × 1; the last may not fall below the one before.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_every_pair_is_compared_in_order() -> None:
    scores = {"a": [0.0, 0.0], "b": [0.5, 0.5], "c": [0.0, 1.0]}
    found = compare(scores)
    assert [(c.first, c.second) for c in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [c.difference for c in found] == [0.5, 0.5, 0.0]
    assert [c.p_value for c in found] == [0.5, 1.0, 1.0]
    assert all(c.adjusted >= c.p_value for c in found)
