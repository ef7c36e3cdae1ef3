import gzip
import json
from pathlib import Path

import pytest

from reranker.errors import DataError, InputError
from tests.training.convert.records_of import RECORDS
from training.convert.answer import MISSING
from training.convert.conversion import convert
from training.rows import read_rows
from training.skips import RowError


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz", "in.json", "lines.json"])
def test_files_are_converted(tmp_path: Path, name: str) -> None:
    source, target = tmp_path / name, tmp_path / "out" / "rows.jsonl.gz"
    array = name == "in.json"
    text = json.dumps(RECORDS, indent=1) if array else "\n".join(map(json.dumps, RECORDS))
    source.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    read: list[int] = []
    summary = convert(source, target, "conversations", advance=read.append)
    assert (summary.written, summary.skips.total) == (2, 1)
    assert summary.repairs == {MISSING: 1}
    assert [row.query for row in read_rows(target)] == ["one", "two"]
    assert sum(read) == source.stat().st_size
    place = r"in.json\[2\]" if array else rf"{name}:3"
    with pytest.raises(RowError, match=f"{place}: the answer names none"):
        convert(source, target, "conversations", on_error="raise")


def test_a_table_is_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    table = datasets.Dataset.from_list([{"query": "q", "docs": ["a", "b"], "labels": [1, 0]}])
    table.to_parquet(str(tmp_path / "in.parquet"))
    summary = convert(tmp_path / "in.parquet", tmp_path / "rows.jsonl", "labeled-lists")
    assert summary.written == 1


def test_sources_without_a_row_leave_no_target(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "rows.jsonl"
    for text, told in (("", "it is empty"), ("{}", r":1: .* lacks \['query'\]"), ("{", "not JSON")):
        source.write_text(text)
        with pytest.raises(DataError, match=told):
            convert(source, target, "labeled-lists")
    with pytest.raises(InputError, match="no format 'csv'; there are conversations"):
        convert(source, target, "csv")
    (tmp_path / "in.json").write_text("[1, ")
    with pytest.raises(DataError, match="not JSON"):
        convert(tmp_path / "in.json", target, "labeled-lists")
    with pytest.raises(DataError, match="cannot be read"):
        convert(tmp_path / "none.jsonl", target, "labeled-lists")
    assert not target.exists()
