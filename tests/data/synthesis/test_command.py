import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data.__main__ import app
from data.synthesis.writer import Answers, QueryWriter
from reranker.collection import read_beir
from reranker.encoder import Encoder
from reranker.errors import DataError
from reranker.reranker import Reranker
from tests.data.synthesis.toy import PIECES
from tests.tiny import save_tiny, tiny_tokenizer
from training.rows import read_rows


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has the command's writer ask for a passage's own words; returns the batches written."""
    batches: list[int] = []

    def write(self: QueryWriter, rows: Sequence[tuple[int, ...]], number: int) -> list[Answers]:
        batches.append(number)
        told = [Encoder(tiny_tokenizer()).decode(row).rsplit("Passage: ")[-1] for row in rows]
        return [["where do " + text.partition("\n")[0]] for text in told]

    monkeypatch.setattr(QueryWriter, "write", write)
    return batches


def command(folder: Path, model: Path, *more: str) -> str:
    told = ["synthesize", "toy", "--output", str(folder), "--model", str(model), *more]
    result = CliRunner().invoke(app, told)
    if result.exception:
        raise result.exception
    return result.output


def test_the_command_writes_what_mining_reads(
    collections_folder: Path, tmp_path: Path, telling: list[int]
) -> None:
    folder, model = tmp_path / "synthetic", save_tiny(tmp_path / "tiny")
    output = command(folder, model, "--within", "1", "--batch", "2")
    assert "kept" in output
    written = read_beir(folder)
    assert set(written.queries.values()) == {
        "where do quick brown foxes",
        "where do lazy dogs sleep",
        "where do cats purr",
    }
    for query, grades in written.qrels.items():
        [(id_, grade)] = grades.items()
        assert written.queries[query].endswith(written.passages[id_].text)
        assert grade == 1
    assert telling == [0, 1]
    before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    command(folder, model, "--within", "1", "--batch", "2")
    assert telling == [0, 1]
    assert {path: path.read_bytes() for path in before} == before

    run, rows = tmp_path / "run.trec", tmp_path / "rows.jsonl"
    lines = [f"{q} Q0 {p} {n} {-n} x\n" for q in written.queries for n, p in enumerate(PIECES)]
    run.write_text("".join(lines), encoding="utf-8")
    told = ["mine", str(folder), "--output", str(rows), "--first-stage", str(run)]
    assert CliRunner().invoke(app, told).exit_code == 0
    found = {row.query: row for row in read_rows(rows)}
    assert found.keys() == set(written.queries.values())
    row = found["where do cats purr"]
    assert row.passages[0].text == "cats purr"
    assert row.relevance == (1, 0, 0)


def test_a_reranker_filters_too_and_its_work_is_kept(
    collections_folder: Path, tmp_path: Path, telling: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, model = tmp_path / "synthetic", save_tiny(tmp_path / "tiny")
    more = ("--reranker", str(model), "--reranked-within", "1")
    command(folder, model, *more)
    kept = [json.loads(line) for line in (folder / "reranked.jsonl").read_text().splitlines()]
    assert len(kept) == 3
    assert {one["result"][0] for one in kept} <= set(PIECES)
    asked: list[object] = []
    real = Reranker.rank_stream

    def watched(self: Reranker, pairs: object) -> object:
        asked.extend(pairs := list(pairs))  # type: ignore[call-overload]
        return real(self, pairs)

    monkeypatch.setattr(Reranker, "rank_stream", watched)
    command(folder, model, *more)
    assert asked == []


def test_nothing_of_anyone_elses_is_written_over(
    collections_folder: Path, tmp_path: Path, telling: list[int]
) -> None:
    theirs = collections_folder / "toy"
    before = (theirs / "queries.jsonl").read_bytes()
    with pytest.raises(DataError, match="a collection that is not synthetic"):
        command(theirs, save_tiny(tmp_path / "tiny"))
    assert (theirs / "queries.jsonl").read_bytes() == before
    assert telling == []


def test_no_query_left_is_an_error_and_writes_no_collection(
    collections_folder: Path, tmp_path: Path, telling: list[int]
) -> None:
    folder, model = tmp_path / "synthetic", save_tiny(tmp_path / "tiny")
    with pytest.raises(DataError, match="no query was kept"):
        command(folder, model, "--least", "190")
    assert not (folder / "corpus.jsonl").exists()
    assert (folder / "written.jsonl").exists()


def test_passages_alone_are_enough(
    collections_folder: Path, tmp_path: Path, telling: list[int]
) -> None:
    (collections_folder / "toy" / "queries.jsonl").unlink()
    (collections_folder / "toy" / "qrels" / "test.tsv").unlink()
    command(tmp_path / "synthetic", save_tiny(tmp_path / "tiny"), "--limit", "2")
    assert len(read_beir(tmp_path / "synthetic").queries) == 2
