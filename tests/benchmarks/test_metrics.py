import math
import sys

import pytest

from benchmarks.metrics import MEASURES, MRR, NDCG, RECALL, evaluate
from reranker.errors import MissingExtraError
from reranker.run import Run

pytest.importorskip("ranx")

QRELS = {"q1": {"a": 2, "b": 1, "c": 0}, "q2": {"a": 1}, "q3": {"z": 1}, "q4": {"a": 0}}
# Equal scores, and some that rise: the order of the run is what counts.
RUN = Run(
    "x",
    {
        "q1": [("x", 0.0), ("b", 0.0), ("a", 5.0)],
        "q2": [("a", 1.0)],
        "q3": [],
        "q4": [("a", 1.0)],
        "unjudged": [("a", 1.0)],
    },
)


def test_the_measures_are_those_worked_out_by_hand() -> None:
    found = evaluate(RUN, QRELS)
    gained = 1 / math.log2(3) + 2 / math.log2(4)
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert found[NDCG] == pytest.approx({"q1": gained / ideal, "q2": 1, "q3": 0, "q4": 0})
    assert found[MRR] == pytest.approx({"q1": 1 / 2, "q2": 1, "q3": 0, "q4": 0})
    assert found[RECALL] == pytest.approx({"q1": 1, "q2": 1, "q3": 0, "q4": 0})


def test_a_higher_grade_of_relevance_changes_the_binary_measures_alone() -> None:
    one, two = evaluate(RUN, QRELS), evaluate(RUN, QRELS, relevant_from=2)
    assert two[NDCG] == one[NDCG]
    assert two[MRR] == pytest.approx({"q1": 1 / 3, "q2": 0, "q3": 0, "q4": 0})


def test_the_cutoffs_are_kept() -> None:
    ids = [f"d{n}" for n in range(101)]
    run = Run("x", {"q": [(id_, 0.0) for id_ in ids], "r": [(id_, 0.0) for id_ in ids]})
    found = evaluate(run, {"q": {"d10": 1}, "r": {"d9": 1, "d99": 1, "d100": 1}})
    assert found[NDCG]["q"] == found[MRR]["q"] == 0
    assert found[MRR]["r"] == pytest.approx(1 / 10)
    assert found[RECALL] == pytest.approx({"q": 1, "r": 2 / 3})


def test_the_order_of_queries_is_that_of_the_judgments() -> None:
    backwards = Run("x", dict(reversed(list(RUN.rankings.items()))))
    for measure in MEASURES:
        assert list(evaluate(backwards, QRELS)[measure]) == list(QRELS)


def test_an_empty_run_scores_nothing() -> None:
    assert evaluate(Run("x", {}), QRELS)[NDCG] == dict.fromkeys(QRELS, 0.0)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ranx", None)
    with pytest.raises(MissingExtraError, match=r"reranker\[eval\]"):
        evaluate(RUN, QRELS)
