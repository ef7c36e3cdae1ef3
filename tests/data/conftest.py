import json
from pathlib import Path

import pytest

from reranker.collection import Collection
from reranker.passage import Passage

PASSAGES = {"fox": "quick brown foxes", "dog": "lazy dogs sleep", "cat": "cats purr"}
QUERIES = {"q1": "fox", "q2": "sleeping dog"}
QRELS = {"q1": {"fox": 1}, "q2": {"dog": 2}}


@pytest.fixture
def toy() -> Collection:
    passages = {id_: Passage(text, id_) for id_, text in PASSAGES.items()}
    return Collection("toy", passages, QUERIES, QRELS)


@pytest.fixture
def collections_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of collections, with one named toy, where `data` looks for them."""
    folder = tmp_path / "collections"
    (folder / "toy" / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", PASSAGES), ("queries", QUERIES)):
        rows = [json.dumps({"_id": id_, "text": text}) for id_, text in texts.items()]
        (folder / "toy" / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    judgments = [f"{q}\t{p}\t{g}" for q, found in QRELS.items() for p, g in found.items()]
    (folder / "toy" / "qrels" / "test.tsv").write_text("\n".join(judgments), encoding="utf-8")
    monkeypatch.setenv("RERANKER_COLLECTIONS", str(folder))
    return folder
