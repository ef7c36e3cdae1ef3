from pathlib import Path

import pytest

from data.synthesis.asking import answered, drawn
from data.synthesis.work import WorkFile
from data.synthesis.writer import Answers
from reranker.errors import DataError
from reranker.passage import Passage
from tests.data.synthesis.toy import PASSAGES, Scripted


def test_finished_batches_are_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "work.jsonl"
    script: list[Answers] = [["a"], ["b"], [None], ["d"], ["e\nf"]]
    whole = list(answered(Scripted(*script), PASSAGES, 2, WorkFile(path)))  # type: ignore[arg-type]
    assert whole == script
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:9])  # as a kill leaves it
    again = Scripted(*script)
    assert list(answered(again, PASSAGES, 2, WorkFile(path))) == script  # type: ignore[arg-type]
    assert again.batches == [1, 2]
    done = Scripted()
    assert list(answered(done, PASSAGES, 2, WorkFile(path))) == script  # type: ignore[arg-type]
    assert done.batches == []


def test_a_larger_draw_begins_with_the_smaller() -> None:
    passages = {f"p{n}": Passage(f"text {n}" if n % 3 else " \0") for n in range(30)}
    small = drawn(passages, 5, seed=1)
    assert drawn(passages, 100, seed=1)[:5] == small
    assert drawn(passages, 5, seed=2) != small
    assert set(drawn(passages, 100, seed=1)) == {f"p{n}" for n in range(30) if n % 3}


def test_a_corpus_that_cannot_be_asked_about_is_refused() -> None:
    with pytest.raises(DataError, match="all of 1 passages are empty"):
        drawn({"a": Passage("\n")}, 5, 0)
    with pytest.raises(DataError, match="white space"):
        drawn({"a b": Passage("text")}, 5, 0)
