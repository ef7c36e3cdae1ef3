from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.errors import InputError
from tests.training.rows_of import row, rows
from training.row import Row
from training.skips import RowError
from training.window import Sizes, draw_identifiers, sample_window

seeds = st.integers(0, 2**32)


@given(rows(least=2), st.integers(2, 9), seeds)
def test_a_window_is_part_of_its_row_with_something_to_learn(
    row: Row, size: int, seed: int
) -> None:
    window = sample_window(row, size=size, rng=np.random.default_rng(seed))
    assert len(window.passages) == min(size, len(row.passages))
    assert not Counter(window.passages) - Counter(row.passages)
    assert window == sample_window(row, size=size, rng=np.random.default_rng(seed))
    try:
        row.check_trainable()
    except RowError:
        return
    window.check_trainable()


def test_every_passage_comes_in_every_place() -> None:
    rng, seen = np.random.default_rng(0), Counter[tuple[int, str]]()
    for _ in range(600):
        found = sample_window(row(count=4), size=3, rng=rng).passages
        seen.update((place, passage.text) for place, passage in enumerate(found))
    assert len(seen) == 12
    # The positive is in all of 600 windows, evenly over 3 places; the others share 1,200.
    assert all(90 < count < 260 for count in seen.values())


def test_a_size_below_two_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        sample_window(row(), size=1, rng=np.random.default_rng(0))


@given(st.integers(0, 40), st.integers(0, 60), seeds)
def test_identifiers_differ(count: int, more: int, seed: int) -> None:
    found = draw_identifiers(count, available=count + more, rng=np.random.default_rng(seed))
    assert len(set(found)) == len(found) == count
    assert all(0 <= place < count + more for place in found)


def test_too_few_identifiers_are_refused() -> None:
    with pytest.raises(InputError, match="3 passages needs"):
        draw_identifiers(3, available=2, rng=np.random.default_rng(0))


def test_sizes_cover_their_range_and_grow() -> None:
    rng = np.random.default_rng(0)
    assert {Sizes(2, 5).draw(0, rng) for _ in range(99)} == {2, 3, 4, 5}
    growing = Sizes(4, 20, growth=100)
    assert growing.draw(0, rng) == 4
    assert max(growing.draw(50, rng) for _ in range(400)) == 12
    assert max(growing.draw(10**9, rng) for _ in range(400)) == 20


@pytest.mark.parametrize(("least", "most", "growth"), [(1, 4, 0), (5, 4, 0), (2, 4, -1)])
def test_sizes_that_make_no_sense_are_refused(least: int, most: int, growth: int) -> None:
    with pytest.raises(InputError, match="window sizes"):
        Sizes(least, most, growth)
