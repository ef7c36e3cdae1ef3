from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from reranker.errors import InputError
from reranker.passage import Passage
from reranker.strategies import sliding
from tests.training.rows_of import row
from training.order import app, ordered, passes_for
from training.row import Row
from training.rows import read_rows, write_rows


@dataclass
class Teacher:
    """Ranks by the number that a passage's text is, within the windows of so many passes."""

    passes: int

    def rank_stream(
        self, pairs: Iterable[tuple[str, Iterable[object]]]
    ) -> Iterator[tuple[int, list[SimpleNamespace]]]:
        asked = list(pairs)
        for place in reversed(range(len(asked))):
            texts = [float(passage.text) for passage in asked[place][1]]
            yield place, [SimpleNamespace(index=i) for i in self.order(texts)]

    def order(self, values: list[float]) -> list[int]:
        strategy = sliding(len(values), window=20, stride=10, passes=self.passes)
        windows = next(strategy)
        while True:
            try:
                windows = strategy.send([[values[i] for i in window] for window in windows])
            except StopIteration as done:
                return done.value


def shuffled(count: int) -> Row:
    numbers = list(range(count))
    Random(1).shuffle(numbers)
    return Row("q", tuple(Passage(str(number)) for number in numbers))


@pytest.mark.parametrize("count", [5, 20, 21, 47, 100])
def test_as_many_passes_as_are_reckoned_settle_the_whole_list_and_one_less_does_not(count):
    given = shuffled(count)
    passes = passes_for(count, window=20, stride=10)
    [found] = ordered([given], Teacher(passes))
    best_first = [int(given.passages[place].text) for place in found.ranking]
    assert best_first == sorted(range(count), reverse=True)
    if passes > 1:
        # The worst case: the best stand last.
        rising = Row("q", tuple(Passage(str(number)) for number in range(count)))
        [short] = ordered([rising], Teacher(passes - 1))
        assert [int(rising.passages[i].text) for i in short.ranking] != best_first
    assert passes_for(100, window=20, stride=10) == 9


def test_windows_that_hand_nothing_on_are_refused():
    with pytest.raises(InputError, match="stride of 10 must be below the window, 10"):
        passes_for(30, window=10, stride=10)


def test_rows_keep_what_they_had_though_they_come_out_in_another_order():
    rows = [replace(shuffled(6), query=name, relevance=(1.0, 0, 0, 0, 0, 0)) for name in "abc"]
    found = list(ordered(rows, Teacher(1)))
    assert [one.query for one in found] == ["c", "b", "a"]
    assert all(one.relevance == rows[0].relevance for one in found)


def test_rows_without_labels_become_rows_to_train_on(toy, tmp_path):
    given = [replace(row(f"which {n}", 7), relevance=None) for n in range(2)]
    write_rows(given, tmp_path / "in.jsonl")
    result = CliRunner().invoke(
        app,
        [
            *map(str, (tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--model", toy / "base")),
            *("--depth", "5", "--window", "3", "--stride", "1", "--device", "cpu"),
        ],
        catch_exceptions=False,
    )
    assert "2 row(s) written" in result.output
    found = list(read_rows(tmp_path / "out.jsonl"))
    assert {one.query for one in found} == {"which 0", "which 1"}
    assert all(sorted(one.ranking) == list(range(5)) for one in found)
