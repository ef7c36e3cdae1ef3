import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from data.__main__ import app
from data.mining import Mining, mine
from data.teacher import DenseTeacher, RerankerTeacher, Scores
from reranker import Reranker
from reranker.collection import Collection
from reranker.errors import DataError, InputError
from reranker.passage import Passage
from reranker.run import Run
from tests.tiny import save_tiny
from training.row import Row
from training.rows import read_rows

PASSAGES = {f"p{n}": Passage(f"text {n}", f"p{n}") for n in range(12)}
QUERIES = {"a": "query a", "b": "query b", "c": "query c", "none": "query none"}
QRELS = {"a": {"p0": 2, "p1": 1}, "b": {"p5": 1, "p0": 0}, "c": {"p6": 1}, "none": {"p3": 0}}
COLLECTION = Collection("toy", PASSAGES, QUERIES, QRELS)
RUN = Run("toy", {"a": tuple((id_, -1.0) for id_ in PASSAGES)})


class Fixed:
    """A teacher that likes passages by number, or by a table of its own."""

    def __init__(self, **likes: dict[str, float]) -> None:
        self.likes = likes

    def score(self, queries: Sequence[str], passages: Sequence[Passage]) -> Scores:
        return np.array(
            [[self.likes.get(q[-1], {}).get(p.id or "", 0.0) for p in passages] for q in queries]
        )


def mined(teacher: Fixed | None = None, **how: object) -> list[Row]:
    rows = mine(COLLECTION, RUN, Mining(**how), teacher)  # type: ignore[arg-type]
    return [Row.parse(json.loads(json.dumps(row))) for row in rows]


def test_a_row_has_the_relevant_passages_and_the_hardest_negatives() -> None:
    [row] = mined(passages=6, positives=3, hard=0.5)
    ids = [passage.id for passage in row.passages]
    assert ids[:4] == ["p0", "p1", "p2", "p3"]
    assert len(set(ids)) == 6
    assert row.relevance == (2, 1, 0, 0, 0, 0)
    assert row.others == ()


def test_easier_negatives_are_drawn_from_all_candidates() -> None:
    drawn = {p.id for seed in range(40) for p in mined(passages=4, seed=seed)[0].passages}
    assert drawn == set(PASSAGES)
    assert mined(passages=4, seed=3) == mined(passages=4, seed=3)


def test_positives_are_limited_to_the_best() -> None:
    [row] = mined(passages=3, positives=1)
    assert row.relevance == (2, 0, 0)
    assert "p1" not in {passage.id for passage in row.passages}


def test_further_queries_over_the_same_passages_come_along() -> None:
    [row] = mined(passages=12, queries=3)
    ids = [passage.id for passage in row.passages]
    assert {other.query for other in row.others} == {"query b", "query c"}
    for other in row.others:
        wanted = "p5" if other.query == "query b" else "p6"
        assert other.relevance == tuple(float(id_ == wanted) for id_ in ids)
    assert len(mined(passages=12, queries=2)[0].others) == 1


def test_queries_without_a_relevant_passage_or_a_negative_are_left_out() -> None:
    run = Run("toy", {"none": (("p3", 1.0),), "c": (("p6", 1.0),), "b": (("p0", 1.0),)})
    [row] = mine(COLLECTION, run, Mining())
    assert row["query"] == "query b"


def test_a_teacher_grades_what_is_not_judged_and_drops_what_it_prefers() -> None:
    likes = {"p0": 1.0, "p1": 2.0, "p2": 5.0, "p3": 2.0 - np.log(4), "p4": 1.99}
    [row] = mined(Fixed(a=likes), passages=6, hard=1.0)
    assert [passage.id for passage in row.passages] == ["p0", "p1", "p3", "p4", "p5"]
    assert row.relevance == (2, 1, 0.25, 0.5, pytest.approx(np.exp(-2), abs=1e-3))
    assert row.positives == (0, 1)


def test_a_further_query_is_dropped_where_its_teacher_doubts_too_often() -> None:
    doubts = {"p5": 1.0, "p2": 2.0, "p3": 2.0}
    teacher = Fixed(a={"p0": 9.0}, b=doubts, c={"p6": 3.0})
    [row] = mined(teacher, passages=12, queries=3)
    found = {other.query: other.relevance for other in row.others}
    assert set(found) == {"query b", "query c"}
    assert sorted(found["query b"])[-3:] == [0.5, 0.5, 1.0]
    teacher.likes["b"]["p4"] = 2.0
    assert [o.query for o in mined(teacher, passages=12, queries=3)[0].others] == ["query c"]


@pytest.mark.parametrize(
    "how", [{"passages": 1}, {"positives": 0}, {"queries": 0}, {"hard": 1.5}, {"estimate": 1.0}]
)
def test_shares_that_make_no_sense_are_refused(how: dict[str, int]) -> None:
    with pytest.raises(InputError, match="mining needs"):
        Mining(**how)  # type: ignore[arg-type]


class Axes:
    """Encodes a text as the axis of its last letter; counts what it encodes."""

    def __init__(self) -> None:
        self.encoded = 0

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded += len(texts)
        return self.queries(texts)

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(256, dtype=np.float32)[[ord(text[-1]) for text in texts]]


def test_a_dense_teacher_scores_by_cosine_and_encodes_a_passage_once() -> None:
    encoder = Axes()
    teacher = DenseTeacher(encoder, temperature=0.5)
    passages = [Passage("an a"), Passage("a b"), Passage("an a")]
    assert teacher.score(["a", "b"], passages).tolist() == [[2, 0, 2], [0, 2, 0]]
    teacher.score(["c"], passages)
    assert encoder.encoded == 2


def test_a_reranker_teaches_by_its_scores(tmp_path: Path) -> None:
    reranker = Reranker(save_tiny(tmp_path), layout="suffix")
    passages = [Passage("one"), Passage("two"), Passage("three")]
    scores = RerankerTeacher(reranker).score(["first", "second"], passages)
    for row, query in enumerate(("first", "second")):
        for ranked in reranker.rank(query, passages):
            assert scores[row, ranked.index] == pytest.approx(ranked.score, abs=1e-5)


def test_the_command_writes_rows_that_training_reads(
    collections_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "rows.jsonl.gz"
    run = tmp_path / "run.trec"
    run.write_text("q1 Q0 dog 1 2.0 x\nq1 Q0 fox 2 1.0 x\nq2 Q0 cat 1 1.0 x\n")
    command = ["mine", "toy", "--output", str(output), "--first-stage", str(run)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "2 rows of 2 queries" in result.output
    found = {row.query: [p.text for p in row.passages] for row in read_rows(output)}
    assert found == {
        "fox": ["quick brown foxes", "lazy dogs sleep"],
        "sleeping dog": ["lazy dogs sleep", "cats purr"],
    }


def test_a_collection_that_gives_no_row_is_an_error(
    collections_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run.trec"
    run.write_text("q1 Q0 fox 1 1.0 x\nq2 Q0 dog 1 1.0 x\n")
    output = tmp_path / "rows.jsonl"
    command = ["mine", "toy", "--output", str(output), "--first-stage", str(run)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code != 0
    assert "both a relevant passage and a negative" in str(result.exception or result.output)
    assert not output.exists()


@pytest.mark.parametrize("judgments", [None, "q1\tfox\t0\n"])
def test_a_collection_without_judgments_is_an_error(
    collections_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    judgments: str | None,
) -> None:
    qrels = collections_folder / "toy" / "qrels" / "test.tsv"
    qrels.unlink() if judgments is None else qrels.write_text(judgments)
    monkeypatch.setattr("data.__main__.retrieve", None)
    result = CliRunner().invoke(app, ["mine", "toy", "--output", str(tmp_path / "rows.jsonl")])
    assert isinstance(result.exception, DataError)
    assert "toy has no judged query" in str(result.exception)
    assert "data synthesize" in str(result.exception)


def test_queries_that_are_not_judged_are_passed_over(
    collections_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partly = replace(COLLECTION, queries={"unjudged": "x", **QUERIES})
    monkeypatch.setattr("data.__main__.load", lambda name, split: partly)
    run = tmp_path / "run.trec"
    run.write_text("".join(f"{q} Q0 {p} 1 1.0 x\n" for q in QUERIES for p in PASSAGES))
    output = tmp_path / "rows.jsonl"
    command = ["mine", "toy", "--output", str(output), "--first-stage", str(run)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
