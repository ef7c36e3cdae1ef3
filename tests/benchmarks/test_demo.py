from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks import demo
from tests.tiny import save_tiny


def test_the_demo_shows_what_moved_and_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    app = typer.Typer()
    app.command()(demo.main)
    options = ["--queries", "2", "--depth", "4", "--shown", "1", "--passage-tokens", "16"]
    done = CliRunner().invoke(app, [*options, "--model", str(save_tiny(tmp_path))])
    assert done.exit_code == 0, done.output
    assert "passages of this Python's documentation" in done.output
    assert "2 queries, the same candidates" in done.output
    assert "BM25" in done.output
    assert "reranked" in done.output
    assert "▲" in done.output or "▼" in done.output or "=" in done.output
    # A model of the caller's own is not called untrained.
    assert "nobody has trained" not in done.output
