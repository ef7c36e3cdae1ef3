from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.settings import Settings
from reranker.strategies import (
    Strategy,
    Window,
    foreseen,
    full,
    partition,
    rearranged,
    sliding,
    strategy_of,
)

Scorer = Callable[[Window], Sequence[float]]


def drive(strategy: Strategy, scorer: Scorer) -> tuple[list[int], list[list[Window]]]:
    """The order, and the windows asked for, round by round."""
    rounds: list[list[Window]] = []
    try:
        asked = next(strategy)
        while True:
            rounds.append(asked)
            asked = strategy.send([scorer(window) for window in asked])
    except StopIteration as stop:
        return stop.value, rounds


def last_first(window: Window) -> list[float]:
    return [float(place) for place in window]


def indifferent(window: Window) -> list[float]:
    return [0.0] * len(window)


def test_sliding_asks_for_the_windows_of_rankgpt() -> None:
    _, rounds = drive(sliding(100), indifferent)
    assert [(w[0], w[-1]) for [w] in rounds] == [
        (start, start + 19) for start in range(80, -1, -10)
    ]


@pytest.mark.parametrize(
    ("candidates", "spans"),
    [
        (1, [(0, 1)]),
        (19, [(0, 19)]),
        (20, [(0, 20)]),
        (21, [(1, 21), (0, 11)]),
        (35, [(15, 35), (5, 25), (0, 15)]),
    ],
)
def test_sliding_where_the_stride_does_not_divide(
    candidates: int, spans: list[tuple[int, int]]
) -> None:
    _, rounds = drive(sliding(candidates), indifferent)
    assert [(window[0], window[-1] + 1) for [window] in rounds] == spans


def test_sliding_carries_the_best_ten_from_the_bottom_to_the_top() -> None:
    order, _ = drive(sliding(100), last_first)
    assert order[:10] == list(range(99, 89, -1))


def test_two_passes_sort_further_than_one() -> None:
    order, rounds = drive(sliding(40, window=20, stride=10, passes=3), last_first)
    assert len(rounds) == 9
    assert order[:30] == list(range(39, 9, -1))


def test_full_is_one_window() -> None:
    order, rounds = drive(full(7), last_first)
    assert order == [6, 5, 4, 3, 2, 1, 0]
    assert rounds == [[(0, 1, 2, 3, 4, 5, 6)]]


def test_partition_finds_the_top_in_three_rounds_of_windows_that_share_a_pivot() -> None:
    # The relevant are the even ones below 20 and 90 to 94: ranked by falling relevance.
    relevance = {place: -place for place in range(100)} | {p: p for p in range(90, 95)}

    def scorer(window: Window) -> list[float]:
        return [float(relevance[place]) for place in window]

    order, rounds = drive(partition(100), scorer)
    assert order[:14] == [94, 93, 92, 91, 90, *range(9)]
    assert len(rounds) == 3
    assert [len(windows) for windows in rounds] == [1, 5, 1]
    assert {window[0] for window in rounds[1]} == {9}


@pytest.mark.parametrize(("candidates", "window"), [(5000, 20), (3000, 2), (2000, 6)])
def test_partition_is_bounded_however_wrong_the_first_stage(candidates: int, window: int) -> None:
    order, rounds = drive(partition(candidates, window=window), last_first)
    assert len(rounds) == 3
    assert sum(map(len, rounds)) <= 3 + (candidates - window) // (window - 1)
    assert sorted(order) == list(range(candidates))
    assert order[:window] == list(range(candidates - 1, candidates - 1 - window, -1))[:window]


def test_partition_stops_after_two_rounds_when_nothing_beats_the_pivot() -> None:
    order, rounds = drive(partition(100), indifferent)
    assert order == list(range(100))
    assert len(rounds) == 2


@pytest.mark.parametrize("candidates", [0, 1, 2, 19, 20, 21, 37, 100, 101])
@pytest.mark.parametrize("make", [sliding, full, partition])
def test_ties_keep_the_first_stage_order(make: Callable[[int], Strategy], candidates: int) -> None:
    order, _ = drive(make(candidates), indifferent)
    assert order == list(range(candidates))


def test_ties_keep_the_first_stage_order_after_a_pass_that_moved_them() -> None:
    answers = iter([[0.0, 0.0, 5.0, 9.0], [1.0, 1.0, 1.0, 1.0]])
    order, _ = drive(sliding(4, window=4, stride=2, passes=2), lambda window: next(answers))
    assert order == [0, 1, 2, 3]


WHATEVER = st.floats(allow_nan=False, allow_infinity=True)


@given(
    data=st.data(),
    candidates=st.integers(0, 60),
    window=st.integers(2, 25),
    stride=st.integers(1, 25),
    passes=st.integers(1, 3),
)
def test_every_strategy_returns_a_permutation_whatever_the_scores(
    data: st.DataObject, candidates: int, window: int, stride: int, passes: int
) -> None:
    strategies = [
        sliding(candidates, window=window, stride=min(stride, window), passes=passes),
        full(candidates),
        partition(candidates, window=window),
    ]
    pool = data.draw(st.lists(WHATEVER, min_size=1, max_size=20))
    for strategy in strategies:
        turn = iter(range(10**9))
        order, rounds = drive(strategy, lambda w: [pool[next(turn) % len(pool)] for _ in w])  # noqa: B023
        assert sorted(order) == list(range(candidates))
        windows = [w for asked in rounds for w in asked]
        assert {place for w in windows for place in w} == set(range(candidates))
        assert all(len(set(w)) == len(w) for w in windows)


@given(st.permutations(range(45)), st.integers(2, 20))
def test_partition_puts_the_true_best_first(truth: list[int], window: int) -> None:
    order, _ = drive(partition(45, window=window), lambda w: [float(truth[p]) for p in w])
    assert truth[order[0]] == 44
    best = max(1, window // 2) - 1
    assert [truth[place] for place in order[:best]] == list(range(44, 44 - best, -1))


def test_strategies_by_name() -> None:
    _, rounds = drive(strategy_of(Settings(window=4, stride=4))(8), indifferent)
    assert len(rounds) == 2
    _, rounds = drive(strategy_of(Settings(strategy="full"))(50), indifferent)
    assert len(rounds) == 1
    _, rounds = drive(strategy_of(Settings(strategy="partition", window=10))(50), indifferent)
    assert [len(windows) for windows in rounds] == [1, 5]


def test_windows_are_foreseen_as_if_all_tied() -> None:
    assert list(foreseen(full(0))) == []
    assert list(foreseen(full(3))) == [(0, 1, 2)]
    assert list(foreseen(sliding(8, window=4, stride=2))) == [
        (4, 5, 6, 7),
        (2, 3, 4, 5),
        (0, 1, 2, 3),
    ]
    # Nothing beats the pivot, so there is no last round.
    assert list(foreseen(partition(7, window=4))) == [(0, 1, 2, 3), (1, 4, 5, 6)]


@given(st.permutations(range(23)), st.integers(2, 7))
def test_rearranged_is_the_strategy_over_candidates_in_that_order(
    order: list[int], window: int
) -> None:
    merit = [float((7 * place) % 5) for place in range(23)]
    expected, plain = drive(partition(23, window=window), lambda w: [merit[p] for p in w])
    place = {candidate: number for number, candidate in enumerate(order)}
    found, rounds = drive(
        rearranged(partition(23, window=window), order), lambda w: [merit[place[p]] for p in w]
    )
    assert [place[candidate] for candidate in found] == expected
    assert [[tuple(place[p] for p in w) for w in asked] for asked in rounds] == plain
