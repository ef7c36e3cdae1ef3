"""`reranker index`: passages kept ahead of any query."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reranker.cli.app import app
from reranker.errors import SettingsError
from tests.tiny import save_tiny

pytest.importorskip("lmdb")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"_id": f"p{n}", "title": "", "text": f"passage {n}"} for n in range(70)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "what"}))
    save_tiny(tmp_path / "tiny")
    return tmp_path


def test_a_collection_is_read_once_and_then_passed_over(folder: Path) -> None:
    options = ["--model", str(folder / "tiny"), "--layout", "blocks", "--cache", str(folder / "c")]
    part = CliRunner().invoke(app, ["index", str(folder), *options, "--limit", "10"])
    assert part.exit_code == 0, part.output
    assert "10 passages, 10 of them new" in part.output
    whole = CliRunner().invoke(app, ["index", str(folder), *options])
    assert "70 passages, 60 of them new" in whole.output
    ranked = CliRunner().invoke(
        app, ["rank", "--collection", str(folder), "--run", str(_run(folder)), *options]
    )
    assert ranked.exit_code == 0, ranked.output
    again = CliRunner().invoke(app, ["index", str(folder), *options])
    assert "70 passages, 0 of them new" in again.output


def _run(folder: Path) -> Path:
    lines = [f"q Q0 p{n} {n + 1} {70 - n} bm25" for n in range(20)]
    path = folder / "run.trec"
    path.write_text("\n".join(lines))
    return path


def test_it_needs_a_folder_and_a_layout_that_keeps(folder: Path) -> None:
    model = ["--model", str(folder / "tiny")]
    result = CliRunner().invoke(app, ["index", str(folder), *model, "--layout", "blocks"])
    assert result.exit_code != 0
    assert isinstance(result.exception, SettingsError) or "--cache FOLDER" in result.output
    options = [*model, "--layout", "suffix", "--cache", str(folder / "c")]
    result = CliRunner().invoke(app, ["index", str(folder), *options])
    assert result.exit_code != 0
    assert "layout='blocks'" in (result.output + str(result.exception))
