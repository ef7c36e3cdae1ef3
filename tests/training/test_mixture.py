import pickle
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.errors import InputError
from tests.training.rows_of import row
from training.mixture import Mixture, Source
from training.row import Row
from training.rows import write_rows
from training.window import Sizes, Window

quick = settings(deadline=None, max_examples=40)


def source(name: str, count: int, weight: float | None = None) -> Source:
    return Source([row(f"{name}{number}") for number in range(count)], weight, digest=name)


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[int], dict[str, object]]:
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    options = {
        "seed": draw(st.integers(0, 2**70)),
        "windows": draw(st.integers(20, 40)),
        "sizes": Sizes(2, draw(st.integers(2, 4)), draw(st.integers(0, 30))),
        "identifiers": draw(st.none() | st.integers(4, 26)),
    }
    return counts, options


def windows(mixture: Mixture, count: int) -> list[Window]:
    return [mixture.window(index) for index in range(count)]


def build(counts: list[int], options: dict[str, object]) -> Mixture:
    weighted = [source(str(place), count, 1.0) for place, count in enumerate(counts)]
    return Mixture(weighted, **options)  # type: ignore[arg-type]


@quick
@given(mixtures(), st.integers(0, 90), st.integers(1, 12))
def test_a_run_that_was_killed_goes_on_with_the_same_windows(
    options: tuple[list[int], dict[str, object]], killed: int, more: int
) -> None:
    unbroken = windows(build(*options), killed + more)
    again, after = build(*options), range(killed, killed + more)
    assert [again.window(index) for index in after] == unbroken[killed:]
    assert [again.window(index) for index in reversed(range(killed + more))] == unbroken[::-1]


def test_every_row_comes_once_an_epoch_without_weights() -> None:
    mixture = Mixture([source("a", 7), source("b", 3)])
    assert len(mixture) == 10
    for epoch in range(3):
        queries = [mixture.window(epoch * 10 + step).row.query for step in range(10)]
        assert len(set(queries)) == 10


def test_epochs_shuffle_rows_and_candidates_afresh() -> None:
    mixture = Mixture([source("a", 12)])
    epochs = [[mixture.window(epoch * 12 + step).row for step in range(12)] for epoch in range(2)]
    orders = [{found.query: found.passages for found in rows} for rows in epochs]
    assert [*orders[0]] != [*orders[1]]
    assert sum(orders[0][query] != orders[1][query] for query in orders[0]) > 6


def test_weights_share_out_an_epoch_and_rows_come_evenly() -> None:
    mixture = Mixture([source("a", 5, 3.0), source("b", 8, 1.0)], windows=8)
    assert mixture.shares == [6, 2]
    # Five epochs give a 30 windows, six passes over its rows, and b 10: one pass and two more.
    seen = Counter(mixture.window(index).row.query for index in range(40))
    assert {seen[f"a{number}"] for number in range(5)} == {6}
    assert sorted(seen[f"b{number}"] for number in range(8)) == [1] * 6 + [2] * 2


def test_seeds_differ() -> None:
    first, second = (
        [Mixture([source("a", 9)], seed=seed).window(step) for step in range(9)] for seed in (0, 1)
    )
    assert first != second


def test_windows_vary_in_size_and_identifiers() -> None:
    mixture = Mixture([source("a", 60)], sizes=Sizes(2, 4), identifiers=26)
    found = windows(mixture, 60)
    assert {len(window.row.passages) for window in found} == {2, 3, 4}
    assert all(len(window.identifiers or ()) == len(window.row.passages) for window in found)
    assert len({place for window in found for place in window.identifiers or ()}) == 26
    assert all(1.0 in (window.row.relevance or ()) for window in found)


def test_files_are_mixed_and_travel_to_workers(tmp_path: Path) -> None:
    write_rows([row(str(number)) for number in range(5)], tmp_path / "a.jsonl.gz")
    write_rows([row(str(number)) for number in range(5)], tmp_path / "b.jsonl")
    mixture = Mixture(
        [Source.open(tmp_path / "a.jsonl.gz", 1), Source.open(tmp_path / "b.jsonl", 1)]
    )
    copy = pickle.loads(pickle.dumps(mixture))
    assert copy.digest == mixture.digest
    assert copy.window(7) == mixture.window(7)


def test_the_digest_tells_mixtures_apart() -> None:
    mixtures = (
        Mixture([source("a", 4)]),
        Mixture([source("a", 5)]),
        Mixture([source("b", 4)]),
        Mixture([source("a", 4)], seed=1),
        Mixture([source("a", 4)], sizes=Sizes(2, 4)),
        Mixture([source("a", 4)], identifiers=9),
        Mixture([source("a", 4)], queries=2),
    )
    assert len({mixture.digest for mixture in mixtures}) == len(mixtures)
    assert Mixture([source("a", 4)]).digest == mixtures[0].digest


def test_mixtures_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="needs a source"):
        Mixture([])
    with pytest.raises(InputError, match="seed of 0"):
        Mixture([source("a", 4)], seed=-1)
    for weight in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="one above 0"):
            Mixture([source("a", 4, weight)])
    with pytest.raises(InputError, match="all or none"):
        Mixture([source("a", 4, 1.0), source("b", 4)])
    with pytest.raises(InputError, match="gets none"):
        Mixture([source("a", 4, 1.0), source("b", 4, 1000.0)], windows=10)
    with pytest.raises(InputError, match="no rows"):
        Mixture([Source(list[Row](), 1.0)], windows=3)
