from pathlib import Path

from typer.testing import CliRunner

from data.__main__ import app
from data.beir import write_beir
from reranker.collection import Collection, read_beir


def test_a_collection_comes_back_as_it_was(toy: Collection, tmp_path: Path) -> None:
    write_beir(toy, tmp_path)
    back = read_beir(tmp_path)
    assert (back.passages, back.queries, back.qrels) == (toy.passages, toy.queries, toy.qrels)


def test_the_command_writes_the_split_asked_for(collections_folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", "toy", str(tmp_path / "out"), "--split", "test"])
    assert result.exit_code == 0, result.output
    assert (
        read_beir(tmp_path / "out", "test").queries == read_beir(collections_folder / "toy").queries
    )
