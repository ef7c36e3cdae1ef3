import pickle
from pathlib import Path

import pytest

from reranker.errors import DataError
from tests.training.rows_of import row
from training.indexed import IndexedRows
from training.rows import write_rows
from training.skips import Reason, RowError


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_rows_by_number(tmp_path: Path, name: str) -> None:
    found = [row("first"), row("none", positives=0), row("last")]
    write_rows(found, tmp_path / name)
    indexed = IndexedRows(tmp_path / name)
    assert len(indexed) == 2
    assert indexed[1] == indexed[-1] == found[2]
    assert list(indexed) == [found[0], found[2]]  # type: ignore[call-overload]
    assert indexed.skips.counts == {Reason.NO_POSITIVE: 1}
    assert list(pickle.loads(pickle.dumps(indexed))) == [found[0], found[2]]
    with pytest.raises(IndexError):
        indexed[2]
    with pytest.raises(RowError, match=":2: none of the row's"):
        IndexedRows(tmp_path / name, on_error="raise")


def test_a_last_line_without_its_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_rows([row("only")], path)
    path.write_bytes(b"\n\n" + path.read_bytes().rstrip())
    assert IndexedRows(path)[0] == row("only")


def test_a_file_without_rows_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="it is empty"):
        IndexedRows(path)
    write_rows([row(positives=0)], path)
    with pytest.raises(DataError, match=r"1 row skipped: 1 without a positive; the first: .*:1: "):
        IndexedRows(path)
    with pytest.raises(DataError, match="cannot be read"):
        IndexedRows(tmp_path / "none.jsonl")
