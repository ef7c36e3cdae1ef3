from pathlib import Path

import pytest

from reranker.errors import DataError
from reranker.qrels import read_qrels

EXPECTED = {"q1": {"a": 2, "b": 0}, "q2": {"a": -1}}


@pytest.mark.parametrize(
    "text",
    [
        "q1 0 a 2\nq1\t0  b 0\n\nq2 0 a -1\n",
        "query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t0\nq2\ta\t-1\n",
        "q1\ta\t2\nq1\tb\t0\nq2\ta\t-1\n",
        "q1\ta\t2.0\nq1\tb\t0.0\nq2\ta\t-1\n",
    ],
)
def test_reads_trec_and_beir(tmp_path: Path, text: str) -> None:
    path = tmp_path / "qrels"
    path.write_text(text, encoding="utf-8")
    assert read_qrels(path) == EXPECTED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q1 0 a 2\nq1 a\n", "qrels:2: expected 4 columns"),
        ("q1 0 a two\n", "qrels:1: the grade must be a whole number, found 'two'"),
        ("q1 a 1\nq1 b 1.5\n", "qrels:2: the grade"),
        ("q1 0 a 1 x\n", "found 5"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "qrels"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_qrels(path)


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere cannot be read"):
        read_qrels(tmp_path / "nowhere")
