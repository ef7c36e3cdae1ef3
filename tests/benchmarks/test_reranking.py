from pathlib import Path

import pytest

from benchmarks.reranking import MeasuredReranker, as_run, rerank, tasks
from benchmarks.work import WorkFile
from reranker.collection import Collection
from reranker.errors import EngineError
from reranker.run import Run
from tests.benchmarks.conftest import FakeRanker, Items

CANDIDATES = Run("bm25", {"q1": [("1", 9.0), ("3", 8.0), ("2", 7.0)], "q2": [], "q3": [("4", 1.0)]})


def test_candidates_are_reranked_and_their_cost_kept(tmp_path: Path, numbers: Collection) -> None:
    ranker = FakeRanker()
    todo = tasks(numbers, CANDIDATES, "first-stage")
    work = WorkFile("x", {}, tmp_path)
    outcomes = rerank(MeasuredReranker("x", {}, ranker), todo, work, batch=8, order="first-stage")
    assert as_run("x", numbers, outcomes).rankings == {
        "q1": [("3", 3.0), ("2", 2.0), ("1", 1.0)],
        "q2": [],
        "q3": [("4", 4.0)],
    }
    assert (outcomes["q1"].windows, outcomes["q1"].tokens) == (2, 30)
    assert outcomes["q1"].seconds > 0


def test_the_order_given_is_the_order_asked_for(numbers: Collection) -> None:
    [first, _] = tasks(numbers, CANDIDATES, "reversed")
    assert [passage.id for passage in first.passages] == ["2", "3", "1"]


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, numbers: Collection) -> None:
    todo = tasks(numbers, CANDIDATES, "first-stage")
    broken = MeasuredReranker("x", {}, FakeRanker(fail_after=1))
    with pytest.raises(KeyboardInterrupt):
        rerank(broken, todo, WorkFile("x", {}, tmp_path), batch=1, order="first-stage")
    ranker = FakeRanker()
    whole = MeasuredReranker("x", {}, ranker)
    outcomes = rerank(whole, todo, WorkFile("x", {}, tmp_path), batch=1, order="first-stage")
    assert ranker.asked == ["text of q3"]
    assert list(outcomes) == ["q1", "q3"]


def test_a_ranking_that_is_no_permutation_is_refused(tmp_path: Path, numbers: Collection) -> None:
    class Forgetful(FakeRanker):
        def ranked(self, candidates: list[object]) -> Items:  # type: ignore[override]
            return Items()

    todo = tasks(numbers, CANDIDATES, "first-stage")
    with pytest.raises(EngineError, match="must be a permutation"):
        rerank(
            MeasuredReranker("x", {}, Forgetful()),
            todo,
            WorkFile("x", {}, tmp_path),
            batch=1,
            order="first-stage",
        )
