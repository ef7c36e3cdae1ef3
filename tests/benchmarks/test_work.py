from pathlib import Path

import pytest

from benchmarks.work import Outcome, WorkFile, task_key
from reranker.errors import DataError
from reranker.passage import Passage

FIRST = Outcome(("a", "b"), (2.0, 1.0), 0.5, 3, 100)
SECOND = Outcome((), (), 0.1)


def test_what_is_added_is_there_after_a_restart(tmp_path: Path) -> None:
    work = WorkFile("my label", {"window": 5}, tmp_path)
    assert len(work) == 0
    work.add({"k1": FIRST})
    work.add({"k2": SECOND})
    again = WorkFile("another label", {"window": 5}, tmp_path)
    assert (again.get("k1"), again.get("k2"), again.get("k3")) == (FIRST, SECOND, None)
    assert again.path.name.startswith("my-label-")


def test_another_configuration_has_another_file(tmp_path: Path) -> None:
    WorkFile("x", {"window": 5}, tmp_path).add({"k": FIRST})
    assert WorkFile("x", {"window": 6}, tmp_path).get("k") is None


def test_a_line_cut_short_is_skipped_and_not_built_upon(tmp_path: Path) -> None:
    work = WorkFile("x", {}, tmp_path)
    work.add({"k1": FIRST, "k2": SECOND})
    text = work.path.read_text(encoding="utf-8")
    work.path.write_text(text[:-20], encoding="utf-8")
    again = WorkFile("x", {}, tmp_path)
    assert (again.get("k1"), again.get("k2")) == (FIRST, None)
    again.add({"k2": SECOND})
    assert WorkFile("x", {}, tmp_path).get("k2") == SECOND


def test_forgetting_removes_the_file(tmp_path: Path) -> None:
    work = WorkFile("x", {}, tmp_path)
    work.add({"k": FIRST})
    work.forget()
    assert work.get("k") is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_version_says_so(tmp_path: Path) -> None:
    work = WorkFile("x", {}, tmp_path)
    work.path.write_text('{"key": "k", "order": []}\n', encoding="utf-8")
    with pytest.raises(DataError, match="another version"):
        WorkFile("x", {}, tmp_path)


def test_a_key_depends_on_order_query_and_texts() -> None:
    passages = [Passage("one", "a"), Passage("two", "b")]
    keys = {
        task_key("first-stage", "q", "text", passages),
        task_key("reversed", "q", "text", passages),
        task_key("first-stage", "q", "other text", passages),
        task_key("first-stage", "q", "text", passages[::-1]),
        task_key("first-stage", "q", "text", [Passage("one", "a"), Passage("2", "b")]),
    }
    assert len(keys) == 5
