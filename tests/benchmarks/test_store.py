import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.store.__main__ import StoreReport, app, markdown
from benchmarks.store.phases import Filled, Opened, Store, _passage, _resident, fill, rank
from reranker.errors import InputError

pytest.importorskip("lmdb")
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


def test_passages_are_short_and_all_different() -> None:
    passages = [_passage(number) for number in range(50_000)]
    assert len(set(passages)) == 50_000
    assert {len(passage) for passage in passages} == set(range(4, 13))


@linux
def test_what_was_filled_is_found_again(tmp_path: Path) -> None:
    plan = Store(str(tmp_path), 200, 6, 30, 60_000, "int8")
    filled = fill(plan)
    assert filled.file > 0
    opened = rank(plan)
    assert (opened.entries, opened.computed, opened.damaged) == (200, 0, 0)
    assert 0 < opened.counted <= 60_000 / 2**20
    assert 0 < opened.in_memory < 1


@linux
def test_what_is_missing_is_computed_and_told(tmp_path: Path) -> None:
    fill(Store(str(tmp_path), 100, 2, 10, 1 << 20, "float16"))
    opened = rank(Store(str(tmp_path), 150, 4, 150, 1 << 20, "float16"))
    assert opened.computed == 50


@linux
def test_the_command_writes_its_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.store.__main__.RESULTS", tmp_path)
    told = CliRunner().invoke(
        app, ["x", "--passages", "70", "--queries", "2", "--folder", str(tmp_path)],
        catch_exceptions=False,
    )  # fmt: skip
    assert told.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    found = json.loads((tmp_path / "x" / "store.json").read_text())
    assert found["opened"]["entries"] == 70
    assert str(tmp_path) not in json.dumps({**found, "command": ""})


def test_markdown_holds_the_limits() -> None:
    plan = Store("x", 1000, 10, 100, 2**20, "float16")
    opened = Opened(1.0, 2.0, 999, 1, 0, 0.5, 0.9, 3.0, 8.0)
    text = markdown(StoreReport("command", plan, Filled(2.0, 4.0, 1.0), opened))
    assert "| passages found again | 999.0 | ≥ 1000 | missed |" in text
    assert "| passages computed again | 1.0 | ≤ 0 | missed |" in text
    assert "| MiB of memory grown by | 3.0 | ≤ 1 | missed |" in text
    assert "| passages a second, filling | 500 |" in text


def test_memory_is_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.store.phases._STATUS", Path("/none"))
    with pytest.raises(InputError, match="Linux"):
        _resident("RssAnon")
