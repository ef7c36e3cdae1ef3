import gzip
import io
import logging
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.errors import DataError
from reranker.run import Run, decreasing, read_trec, write_trec


def written(run: Run) -> str:
    stream = io.StringIO()
    write_trec(run, stream)
    return stream.getvalue()


def saved(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.trec"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_by_score_then_rank_then_place(tmp_path: Path) -> None:
    text = "q Q0 c 3 1.0 tag\nq Q0 b 2 1.0 tag\nq\tQ0\ta\t1\t2e0 tag\nq 0 d 2 1 tag\n"
    run = read_trec(saved(tmp_path, text))
    assert run.name == "tag"
    assert run.rankings == {"q": [("a", 2.0), ("b", 1.0), ("d", 1.0), ("c", 1.0)]}
    assert repr(run) == "Run('tag', 1 queries, 4 lines)"


def test_the_best_of_a_repeated_passage_is_kept_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path, "q Q0 a 1 1 t\nq Q0 b 2 2 t\nq Q0 a 3 3 t\nr Q0 a 1 1 t\n")
    with caplog.at_level(logging.WARNING):
        assert read_trec(path).rankings["q"] == [("a", 3.0), ("b", 2.0)]
    assert "1 repeated passage(s) dropped" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q Q0 a 1 1.0", "expected 6 columns .* found 5"),
        ("q Q0 a 1 1.0 tag more", "found 7"),
        ("q Q0 a first 1.0 tag", "found 'first'"),
        ("q Q0 a 1 high tag", "'high'"),
        ("q Q0 a 1 nan tag", "must be finite"),
        ("q Q0 a 1 inf tag", "must be finite"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"run\.trec:2: .*{message}"):
        read_trec(saved(tmp_path, f"q Q0 z 1 9 tag\n{line}\n"))


def test_an_empty_file_is_an_empty_run_of_its_name(tmp_path: Path) -> None:
    run = read_trec(saved(tmp_path, ""))
    assert (run.name, run.rankings) == ("run.trec", {})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = Run("mine", {"q1": [("a", 2.5), ("b", 1.5)], "q2": [("c", -1.0)]})
    for path in (tmp_path / "deep" / "x.trec", tmp_path / "x.trec.gz"):
        write_trec(run, path)
        assert read_trec(path) == run
    assert gzip.decompress((tmp_path / "x.trec.gz").read_bytes()).startswith(b"q1 Q0 a 1 2.5 mine")


def test_ties_and_inversions_are_lowered_in_order() -> None:
    lines = written(Run("my run", {"q": [("a", 1.0), ("b", 1.0), ("c", 3.0), ("d", 0.5)]}))
    assert lines.splitlines() == [
        "q Q0 a 1 1 my-run",
        "q Q0 b 2 0.999999 my-run",
        "q Q0 c 3 0.999998 my-run",
        "q Q0 d 4 0.5 my-run",
    ]


@given(st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=60))
def test_scores_decrease_strictly_in_text_and_in_float32(scores: list[float]) -> None:
    printed = [f"{score:.6g}" for score in decreasing(scores)]
    for kind in (np.float64, np.float32):
        assert (np.diff(np.array(printed, dtype=kind)) < 0).all()


@given(st.floats(-1e30, 1e30))
def test_a_score_alone_keeps_six_digits(score: float) -> None:
    assert math.isclose(decreasing([score])[0], score, rel_tol=5e-6, abs_tol=1e-34)


def test_zeros_go_below_zero() -> None:
    assert decreasing([0.0, 0.0])[1] < 0


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 1e39])
def test_scores_that_evaluators_cannot_read_are_refused(score: float, tmp_path: Path) -> None:
    path = tmp_path / "x.trec"
    with pytest.raises(DataError, match="score"):
        write_trec(Run("x", {"q": [("a", 1.0), ("b", score)]}), path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("id_", ["a b", "", " a", "a\n"])
def test_ids_that_would_break_the_columns_are_refused(id_: str) -> None:
    with pytest.raises(DataError, match="white space"):
        written(Run("x", {"q": [(id_, 1.0)]}))


def test_a_passage_twice_is_refused() -> None:
    with pytest.raises(DataError, match="'a' twice"):
        written(Run("x", {"q": [("a", 1.0), ("a", 0.5)]}))


def test_ids_and_top() -> None:
    run = Run("x", {"q": [("a", 2.0), ("b", 1.0)]})
    assert run.ids("q") == ["a", "b"]
    assert run.ids("other") == []
    assert run.top(1).rankings == {"q": [("a", 2.0)]}
