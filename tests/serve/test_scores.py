import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.scores import unit_scores

LOGITS = st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=60).map(
    lambda logits: sorted(set(logits), reverse=True)
)


def test_by_hand() -> None:
    # The mean is 31: distances 2, -0.5 and -1.5.
    sigmoid = [1 / (1 + math.exp(-distance)) for distance in (2.0, -0.5, -1.5)]
    assert unit_scores([33.0, 30.5, 29.5]) == pytest.approx(sigmoid)
    assert unit_scores([12.0]) == [0.5]
    assert unit_scores([]) == []


def test_saturated_scores_still_fall() -> None:
    assert unit_scores([1000.0, 999.0, -1000.0, -1001.0]) == pytest.approx(
        [1.0, 1.0 - 1e-7, 1e-7, 0.0], abs=1e-12
    )


@given(LOGITS)
def test_they_are_in_the_unit_interval_and_fall_in_single_precision(logits: list[float]) -> None:
    scores = unit_scores(logits)
    assert len(scores) == len(logits)
    assert all(0.0 <= score <= 1.0 for score in scores)
    single = np.asarray(scores, dtype=np.float32)
    assert (np.diff(single) < 0).all()


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=30, unique=True), st.integers(-99, 99))
def test_a_constant_changes_nothing(logits: list[int], constant: int) -> None:
    falling = sorted(map(float, logits), reverse=True)
    shifted = unit_scores([logit + constant for logit in falling])
    assert shifted == pytest.approx(unit_scores(falling), abs=1e-12)


def test_absolute_logits_keep_their_constant() -> None:
    sigmoid = [1 / (1 + math.exp(-logit)) for logit in (2.0, -0.5, -1.5)]
    assert unit_scores([2.0, -0.5, -1.5], absolute=True) == pytest.approx(sigmoid)
