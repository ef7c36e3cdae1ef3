import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from data.first_stage import retrieve
from data.fusion import fuse
from reranker.collection import Collection
from reranker.errors import InputError, MissingExtraError
from reranker.run import Run, write_trec


def run_of(name: str, **rankings: str) -> Run:
    """A run whose passages are letters; its scores are of no account."""
    return Run(name, {query: [(id_, 0.0) for id_ in ids] for query, ids in rankings.items()})


def by_hand(runs: Sequence[Run], query: str, k: int) -> dict[str, float]:
    scores: dict[str, float] = {}
    for run in runs:
        for rank, id_ in enumerate(run.ids(query), 1):
            scores[id_] = scores.get(id_, 0.0) + 1 / (k + rank)
    return scores


class TestWithRanx:
    @pytest.fixture(autouse=True)
    def _ranx(self) -> None:
        pytest.importorskip("ranx")

    def test_ranks_alone_are_fused(self) -> None:
        first, second = run_of("a", q="xy"), run_of("b", q="zyx")
        run = fuse([first, second])
        wanted = [("x", 1 / 61 + 1 / 63), ("y", 1 / 62 + 1 / 62), ("z", 1 / 61)]
        assert run.name == "a+b"
        assert run.rankings["q"] == [(id_, pytest.approx(score)) for id_, score in wanted]

    def test_ties_keep_the_order_of_the_runs(self) -> None:
        runs = [run_of("a", q="pq"), run_of("b", q="qp"), run_of("c", q="rs")]
        assert fuse(runs).ids("q") == ["p", "q", "r", "s"]
        assert fuse(runs[::-1]).ids("q") == ["q", "p", "r", "s"]

    def test_sums_of_the_same_ranks_are_equal_in_any_order(self) -> None:
        runs = [run_of("1", q="a.-b+_c"), run_of("2", q="b,;c:!a"), run_of("3", q="c/|a#~b")]
        sums = {sum(1 / (60 + rank) for rank in ranks) for ranks in ((1, 7, 4), (4, 1, 7))}
        assert len(sums) == 2, "floats give two sums"
        found = fuse(runs)
        assert found.ids("q")[:3] == ["a", "b", "c"]
        assert len({score for _, score in found.rankings["q"][:3]}) == 1

    def test_queries_and_rankings_may_be_missing(self) -> None:
        empty = Run("a", {"q": (), "none": ()})
        run = fuse([empty, run_of("b", q="x", other="y")])
        assert {query: run.ids(query) for query in run.rankings} == {
            "q": ["x"],
            "none": [],
            "other": ["y"],
        }
        assert fuse([empty, empty]).rankings == {"q": [], "none": []}

    def test_it_agrees_with_the_formula(self) -> None:
        drawn = random.Random(0)
        ids = [f"passage-{n}" * (n % 3 + 1) for n in range(30)] + ["~" * 8, "00000000"]
        for k in (60, 0):
            runs = [
                Run(str(n), {q: [(i, 0.0) for i in drawn.sample(ids, 20)] for q in ("é", "q 2")})
                for n in range(3)
            ]
            found = fuse(runs, k=k)
            for query in ("é", "q 2"):
                assert dict(found.rankings[query]) == pytest.approx(by_hand(runs, query, k))
                scores = [score for _, score in found.rankings[query]]
                assert scores == sorted(scores, reverse=True)

    def test_first_stages_are_joined(self, toy: Collection, tmp_path: Path) -> None:
        path = tmp_path / "x.trec"
        write_trec(Run("x", {"q1": [("cat", 3.0), ("dog", 2.0), ("fox", 1.0)]}), path)
        run = retrieve(toy, f"bm25+{path}", depth=2)
        # BM25 finds the fox alone; the file's fox is beyond the depth.
        assert run.rankings["q1"] == [
            ("fox", pytest.approx(1 / 61)),
            ("cat", pytest.approx(1 / 61)),
        ]
        assert run.ids("q2") == ["dog"]
        assert run.name == "bm25+x"


def test_no_queries() -> None:
    assert fuse([Run("a", {}), Run("b", {})]) == Run("a+b", {})


def test_what_cannot_be_fused() -> None:
    with pytest.raises(InputError, match="at least 2 runs"):
        fuse([run_of("a", q="x")])
    with pytest.raises(InputError, match=r"k from 0, found 2 and -1"):
        fuse([run_of("a", q="x")] * 2, k=-1)


def test_without_ranx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ranx", None)
    with pytest.raises(MissingExtraError, match=r"reranker\[eval\]"):
        fuse([run_of("a", q="x"), run_of("b", q="y")])
