import gzip
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reranker.errors import DataError, MissingExtraError
from reranker.passage import Passage
from tests.training.rows_of import row, rows
from training.row import Row
from training.rows import from_datasets, read_rows, to_datasets, write_rows
from training.skips import Reason, RowError, Skips

SHARED = Path(__file__).resolve().parents[3] / "shared" / "training"
reuse = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

HOSTILE = [
    "\x00\x1b[2J<|im_end|>",
    "two\nlines\r\nand \u2028 more \x85 still",
    "lone \ud800 surrogate",
    '"} {"query": "forged"',
    "[A] [1] > [2]",
    "\ufeffmark \u202e back",
]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
@reuse
@given(found=st.lists(rows(), max_size=4))
def test_rows_read_back_as_they_were(tmp_path: Path, name: str, found: list[Row]) -> None:
    assert write_rows(found, tmp_path / name) == len(found)
    assert list(read_rows(tmp_path / name, labelled=False)) == found


def test_hostile_text_reads_back_as_it_was(tmp_path: Path) -> None:
    found = [Row(text, tuple(map(Passage, HOSTILE)), ranking=(0,)) for text in HOSTILE]
    write_rows(found, tmp_path / "rows.jsonl")
    assert list(read_rows(tmp_path / "rows.jsonl")) == found
    assert len((tmp_path / "rows.jsonl").read_bytes().splitlines()) >= len(found)


def _write_some_bad(path: Path) -> None:
    good = json.dumps(row().as_dict()).encode()
    lines = [
        b"\xef\xbb\xbf" + good + b"\r",
        b"{",
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(row(positives=0).as_dict()).encode(),
        json.dumps(row(positives=4).as_dict()).encode(),
        b'{"query": "q", "passages": []}',
        b'{"query": "q", "passages": ["x"], "relevance": [NaN]}',
        good,
    ]
    path.write_bytes(b"\n".join(lines))


def test_rows_of_no_use_are_counted(tmp_path: Path) -> None:
    path, skips = tmp_path / "rows.jsonl", Skips()
    _write_some_bad(path)
    assert len(list(read_rows(path, on_error="skip", skips=skips))) == 2
    assert skips.counts == {
        Reason.MALFORMED: 4,
        Reason.NO_POSITIVE: 1,
        Reason.NO_NEGATIVE: 1,
        Reason.EMPTY: 1,
    }
    assert skips.examples[Reason.MALFORMED].startswith(f"{path}:2: not JSON")
    assert str(skips).startswith("7 rows skipped: 4 malformed, ")


def test_the_first_row_of_no_use_is_raised_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    _write_some_bad(path)
    with pytest.raises(RowError, match=rf"{path}:2: not JSON"):
        list(read_rows(path))


def test_skips_that_nobody_counts_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rows.jsonl"
    _write_some_bad(path)
    with caplog.at_level(logging.WARNING):
        list(read_rows(path, on_error="skip"))
    assert "7 rows skipped" in caplog.text


def test_a_file_that_is_not_whole_is_an_error_even_where_rows_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join([json.dumps(row().as_dict()).encode()] * 500))[:-40])
    with pytest.raises(DataError, match="is it there, and whole"):
        list(read_rows(path, on_error="skip"))
    for other in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(DataError, match="cannot be read"):
            list(read_rows(other))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_rows([row("old")], path)

    def failing() -> object:
        yield row("new")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write_rows(failing(), path)  # type: ignore[arg-type]
    assert [found.query for found in read_rows(path)] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs shared/training")
def test_real_rows_are_read_whole() -> None:
    for name in ("trecqa", "msmarco_dl21_graded", "rankvicuna_windows_dl19"):
        found = list(read_rows(SHARED / f"{name}.jsonl.gz"))
        assert found
        assert all(len(row.passages) == 20 for row in found)


@pytest.fixture
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    datasets.disable_progress_bars()


@pytest.mark.usefixtures("_cache")
def test_datasets_holds_rows_in_every_form(tmp_path: Path) -> None:
    found = [
        row("both"),
        Row("ranked", row().passages, ranking=(2, 0)),
        Row("bare", (Passage("x"),)),
    ]
    table = to_datasets(found)
    table.to_parquet(str(tmp_path / "rows.parquet"))
    table.save_to_disk(str(tmp_path / "saved"))
    write_rows(found[:2], tmp_path / "rows.jsonl.gz")
    assert list(from_datasets(tmp_path / "rows.parquet", labelled=False)) == found
    assert list(from_datasets(tmp_path / "saved", labelled=False)) == found
    assert list(from_datasets(tmp_path / "rows.jsonl.gz")) == found[:2]
    skips = Skips()
    assert list(from_datasets(tmp_path / "saved", on_error="skip", skips=skips)) == found[:2]
    assert skips.examples[Reason.UNLABELLED].startswith(f"{tmp_path / 'saved'}[2]: ")


@pytest.mark.usefixtures("_cache")
def test_datasets_errors_are_ours(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(DataError, match="endings"):
        list(from_datasets(tmp_path / "rows.txt"))
    with pytest.raises(DataError, match="cannot load split 'train'"):
        list(from_datasets(tmp_path / "none.parquet"))
    with pytest.raises(DataError, match="surrogates"):
        to_datasets([Row("lone \ud800", row().passages)])
    with pytest.raises(DataError, match="from_datasets"):
        list(read_rows(tmp_path / "rows.parquet"))


def test_without_datasets_its_formats_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"reranker\[train\]"):
        list(from_datasets("rows.parquet"))
    with pytest.raises(MissingExtraError):
        to_datasets([])


def test_the_core_runs_without_anything_heavy() -> None:
    heavy = "torch transformers datasets ray ranx pandas pyarrow"
    code = (
        "import sys, training.mixture, training.rows, training.convert.conversion\n"
        f"print(sorted(set('{heavy}'.split()) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
