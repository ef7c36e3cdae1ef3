import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data.__main__ import app, main
from reranker.run import read_trec

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("collections_folder")


def test_list_names_the_collections() -> None:
    result = runner.invoke(app, ["list"])
    assert result.exit_code == 0
    assert "embedded" in result.output
    assert "toy" in result.output


def test_show_tells_sizes_and_grades() -> None:
    result = runner.invoke(app, ["show", "toy"])
    assert result.exit_code == 0
    for text in ("3 of 3 words", "1 of grade 1, 1 of grade 2", "q2: sleeping dog"):
        assert text in result.output


def test_search_writes_a_run(tmp_path: Path) -> None:
    path = tmp_path / "out" / "toy.trec"
    result = runner.invoke(app, ["search", "toy", "--depth", "1", "--output", str(path)])
    assert result.exit_code == 0
    assert read_trec(path).ids("q2") == ["dog"]


def test_search_takes_any_first_stage(tmp_path: Path) -> None:
    path = tmp_path / "toy.trec"
    told = ["search", "toy", "--first-stage", "sqlite", "--output", str(path)]
    assert runner.invoke(app, told).exit_code == 0
    assert read_trec(path).name == "sqlite"
    told[3] = "sqlite+splade"
    assert "no first stage 'splade'" in str(runner.invoke(app, told).exception)


def test_search_shows_the_hits_of_a_text() -> None:
    result = runner.invoke(app, ["search", "toy", "--query", "cat"])
    assert result.exit_code == 0
    assert "cats purr" in result.output


def test_search_wants_one_of_output_and_query() -> None:
    assert runner.invoke(app, ["search", "toy"]).exit_code == 2


def test_an_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["data", "show", "[none]"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("error: no collection '[none]'")


def test_an_error_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    output = tmp_path / "file" / "toy.trec"
    monkeypatch.setattr(sys, "argv", ["data", "search", "toy", "--output", str(output)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    found = capsys.readouterr().err
    assert found.startswith("error: ")
    assert str(tmp_path / "file") in found
    assert found.count("\n") == 1
    monkeypatch.setenv("RERANKER_TRACEBACK", "1")
    with pytest.raises(OSError, match="file"):
        main()


def test_importing_the_room_is_light() -> None:
    heavy = "torch transformers datasets ir_datasets sentence_transformers bm25s ranx pandas"
    heavy += " faiss qdrant_client httpx"
    code = (
        "import sys, data, data.collections, data.first_stage\n"
        f"print(sorted(set('{heavy}'.split()) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
