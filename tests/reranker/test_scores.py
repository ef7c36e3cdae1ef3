import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.scores import ranking_scores


def test_one_window_keeps_its_logits() -> None:
    assert ranking_scores([2, 0, 1], [((0, 1, 2), (1.5, -2.0, 7.0))]) == [7.0, 1.5, -2.0]


def test_nothing_gives_nothing() -> None:
    assert ranking_scores([], []) == []


def test_windows_are_aligned_by_the_candidates_they_share() -> None:
    # The second window reads everything 10 higher; candidate 1 stands in both.
    windows = [((1, 2), (3.0, 1.0)), ((0, 1), (15.0, 13.0))]
    assert ranking_scores([0, 1, 2], windows) == pytest.approx([15.0, 13.0, 11.0])


def test_shifts_are_the_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    windows = [(list(range(s, s + 6)), rng.normal(size=6).tolist()) for s in (6, 3, 0)]
    rows, target = [], []
    for w, (places, logits) in enumerate(windows):
        for place, logit in zip(places, logits, strict=True):
            row = np.zeros(12 + 3)
            row[place], row[12 + w] = 1, 1
            rows.append(row)
            target.append(logit)
    rows.append(np.eye(15)[14])
    target.append(0.0)
    expected = np.linalg.lstsq(np.array(rows), np.array(target), rcond=None)[0][:12]
    order = np.argsort(-expected).tolist()
    assert ranking_scores(order, windows) == pytest.approx(expected[order].tolist())


def test_scores_follow_the_order_where_the_logits_contradict_it() -> None:
    # 1 beat 0 in the last window, but 0's logit is higher on average.
    found = ranking_scores([1, 0], [((0, 1), (2.0, 4.0))])
    assert found == [4.0, 2.0]
    pooled = ranking_scores([0, 1], [((0, 1), (2.0, 4.0))])
    assert pooled == pytest.approx([3.0, 3.0], abs=1e-4)
    assert pooled[0] > pooled[1]


def test_ties_fall_by_a_hair_that_single_precision_sees() -> None:
    scores = ranking_scores(list(range(5000)), [(range(5000), [1e4] * 5000)])
    single = np.array(scores, dtype=np.float32)
    assert (np.diff(single) < 0).all()


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=30).flatmap(
        lambda logits: st.tuples(st.just(logits), st.permutations(range(len(logits))))
    )
)
def test_scores_are_finite_and_fall_strictly(case: tuple[list[float], list[int]]) -> None:
    logits, order = case
    half = max(1, len(logits) // 2)
    windows = [(range(len(logits)), logits), (range(half), logits[:half])]
    scores = np.array(ranking_scores(order, windows), dtype=np.float32)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) < 0).all()
