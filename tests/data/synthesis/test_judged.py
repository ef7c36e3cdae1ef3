from data.synthesis.asking import collected, readable
from data.synthesis.cleaning import Cleaner, Fault
from data.synthesis.round_trip import found_again
from data.synthesis.writer import Answers
from reranker.collection import Collection
from reranker.passage import Passage
from reranker.run import Run
from tests.data.synthesis.toy import PASSAGES


def test_each_query_is_judged_by_its_passage() -> None:
    corpus = Collection("toy", {p.id or "": p for p in PASSAGES}, {})
    answers: list[Answers] = [["what is zero?", "nought and nil"], [None, "what is zero?"]]
    found, faults = collected(corpus, ["p3", "p1"], answers, Cleaner(least=3))
    assert found.queries == {"s0-0": "what is zero?", "s0-1": "nought and nil"}
    assert found.qrels == {"s0-0": {"p3": 1}, "s0-1": {"p3": 1}}
    assert faults == {Fault.UNFINISHED: 1, Fault.DUPLICATE: 1}


def test_a_query_is_kept_where_its_passage_is_found() -> None:
    queries = {"s0-0": "one", "s1-0": "two", "s2-0": "three"}
    qrels = {"s0-0": {"p0": 1}, "s1-0": {"p1": 1}, "s2-0": {"p2": 1}}
    run = Run("toy", {"s0-0": [("p1", 2.0), ("p0", 1.0)], "s1-0": [("p0", 1.0)], "s2-0": []})
    judged = Collection("toy", {}, queries, qrels)
    assert found_again(judged, run).queries == {"s0-0": "one"}
    assert found_again(judged, run.top(1)).qrels == {}


def test_passages_become_storable() -> None:
    passages = {"a": Passage("half \ud800", "a", "\udfff"), "b": Passage("\0whole", "b")}
    found = readable(Collection("toy", passages, {"q": "left out"}))
    assert found.passages["a"] == Passage("half ?", "a", "?")
    assert found.passages["b"] == passages["b"]
    assert found.queries == {}
