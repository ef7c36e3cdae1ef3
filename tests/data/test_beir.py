from pathlib import Path

import pytest
from typer.testing import CliRunner

from data.__main__ import app
from data.beir import write_beir
from reranker.collection import Collection, read_beir, splits
from reranker.errors import DataError


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


def export(*told: object) -> str:
    result = CliRunner().invoke(app, ["export", *map(str, told)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("split", ["dev", "validation"])
def test_the_only_judgments_keep_their_splits_name(
    collections_folder: Path, tmp_path: Path, split: str
) -> None:
    qrels = collections_folder / "toy" / "qrels"
    (qrels / "test.tsv").rename(qrels / f"{split}.tsv")
    export("toy", tmp_path / "named")
    export(collections_folder / "toy", tmp_path / "path")
    assert splits(tmp_path / "named") == splits(tmp_path / "path") == [split]


@pytest.mark.parametrize(
    ("name", "split"),
    [("irds:beir/scifact/test", "test"), ("irds:x/dev/small", "dev"), ("irds:vaswani", "test")],
)
def test_a_data_sets_name_tells_its_split(
    monkeypatch: pytest.MonkeyPatch, toy: Collection, tmp_path: Path, name: str, split: str
) -> None:
    monkeypatch.setattr("data.export_command.load", lambda name, split: toy)
    export(name, tmp_path)
    assert splits(tmp_path) == [split]


def test_the_split_of_a_hubs_collection_must_be_named(
    monkeypatch: pytest.MonkeyPatch, toy: Collection, tmp_path: Path
) -> None:
    monkeypatch.setattr("data.export_command.load", lambda name, split: toy)
    assert CliRunner().invoke(app, ["export", "hf:o/n", str(tmp_path)]).exit_code == 2
    export("hf:o/n", tmp_path, "--split", "dev")
    assert splits(tmp_path) == ["dev"]


def test_judgments_of_an_earlier_export_go(collections_folder: Path, tmp_path: Path) -> None:
    toy, folder = collections_folder / "toy", tmp_path / "out"
    (toy / "qrels" / "dev.tsv").write_text("q2\tdog\t1\n", encoding="utf-8")
    assert "removed" not in export("toy", folder)
    (folder / "qrels" / "notes.txt").write_text("kept", encoding="utf-8")
    assert "removed" in export("toy", folder, "--split", "dev")
    assert splits(folder) == ["dev"]
    assert list(read_beir(folder).queries) == ["q2"]
    for path in toy.glob("qrels/*"):
        path.unlink()
    export("toy", folder)
    assert [path.name for path in (folder / "qrels").iterdir()] == ["notes.txt"]


def test_a_collection_is_not_written_over_itself(collections_folder: Path) -> None:
    toy = collections_folder / "toy"
    before = {path: path.read_text() for path in toy.rglob("*.*")}
    for name in ("toy", toy):
        with pytest.raises(DataError, match="is the collection itself"):
            export(name, toy, "--split", "test")
    assert {path: path.read_text() for path in toy.rglob("*.*")} == before
