import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

from reranker.collection import Collection, default_split, read_beir, splits
from reranker.errors import DataError
from reranker.passage import Passage

CORPUS = '{"_id": "p1", "title": "T", "text": "one"}\n\n{"_id": 2, "title": "", "text": "two"}\n'
QUERIES = '{"_id": "q1", "text": "first"}\n{"_id": "q2", "text": "second"}\n'


def beir(folder: Path, qrels: Mapping[str, str] | None = None, *, packed: bool = False) -> Path:
    files = {"corpus.jsonl": CORPUS, "queries.jsonl": QUERIES}
    files |= {f"qrels/{split}.tsv": text for split, text in (qrels or {}).items()}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if packed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_reads_a_folder_gzipped_or_not(tmp_path: Path, packed: bool) -> None:
    folder = beir(
        tmp_path / "toy", {"test": "query-id\tcorpus-id\tscore\nq2\t2\t1\n"}, packed=packed
    )
    collection = read_beir(folder)
    assert collection.name == "toy"
    assert collection.passages == {"p1": Passage("one", "p1", "T"), "2": Passage("two", "2")}
    assert collection.queries == {"q2": "second"}
    assert collection.qrels == {"q2": {"2": 1}}


def test_repr_counts_and_shows_no_contents() -> None:
    collection = Collection("toy", {"a": Passage("secret")}, {"q": "secret"}, {"q": {"a": 1}})
    assert repr(collection) == "Collection('toy', 1 passages, 1 queries, 1 judgments)"


def test_without_judgments_every_query_is_there(tmp_path: Path) -> None:
    collection = read_beir(beir(tmp_path))
    assert list(collection.queries) == ["q1", "q2"]
    assert collection.qrels == {}
    assert default_split(tmp_path) is None


def test_passages_alone_will_do_unless_there_are_judgments(tmp_path: Path) -> None:
    folder = beir(tmp_path)
    (folder / "queries.jsonl").unlink()
    assert (len(read_beir(folder).passages), read_beir(folder).queries) == (2, {})
    beir(folder, {"test": "q1\tp1\t1\n"})
    (folder / "queries.jsonl").unlink()
    with pytest.raises(DataError, match=r"holds neither queries.jsonl"):
        read_beir(folder)


@pytest.mark.parametrize(
    ("present", "expected"),
    [(["dev", "test", "train"], "test"), (["dev", "train"], "dev"), (["train"], "train")],
)
def test_the_split_is_test_else_dev_else_the_only_one(
    tmp_path: Path, present: list[str], expected: str
) -> None:
    judgments = {"test": "q1\tp1\t1\n", "dev": "q1\tp1\t2\n", "train": "q1\tp1\t3\n"}
    folder = beir(tmp_path, {split: judgments[split] for split in present})
    grade = {"test": 1, "dev": 2, "train": 3}[expected]
    assert read_beir(folder).qrels == {"q1": {"p1": grade}}
    assert splits(folder) == present
    assert default_split(folder) == expected
    assert read_beir(folder, "train").qrels == {"q1": {"p1": 3}}


def test_two_unknown_splits_must_be_told_apart(tmp_path: Path) -> None:
    folder = beir(tmp_path, {"easy": "q1\tp1\t1\n", "hard": "q1\tp1\t1\n"})
    for reader in (read_beir, default_split):
        with pytest.raises(DataError, match="say which split"):
            reader(folder)


def test_a_missing_split_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"split 'dev'.*\['test'\]"):
        read_beir(beir(tmp_path, {"test": "q1\tp1\t1\n"}), "dev")


def test_a_missing_file_is_named_with_what_is_there(tmp_path: Path) -> None:
    beir(tmp_path)
    (tmp_path / "corpus.jsonl").rename(tmp_path / "passages.jsonl")
    with pytest.raises(DataError, match=r"corpus\.jsonl\.gz.*passages\.jsonl, queries\.jsonl"):
        read_beir(tmp_path)


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not there"):
        read_beir(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "expected a JSON object"),
        ('{"_id": "x"}', "a string 'text'"),
        ('{"text": "x"}', "'_id'"),
        ('{"_id": "x", "text": "y", "title": 3}', "'title' must be a string"),
        ('{"_id": "p1", "text": "y"}', "'p1' appears twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    folder = beir(tmp_path)
    (folder / "corpus.jsonl").write_text(CORPUS + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"corpus\.jsonl:4: .*{message}"):
        read_beir(folder)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    folder = beir(tmp_path, packed=True)
    path = folder / "corpus.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="is it whole"):
        read_beir(folder)


def test_judgments_of_another_collection_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="judgments of another collection"):
        read_beir(beir(tmp_path, {"test": "elsewhere\tp1\t1\n"}))
