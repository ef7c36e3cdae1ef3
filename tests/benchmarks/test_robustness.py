import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.orders import FIRST_STAGE, REVERSED
from benchmarks.reranking import MeasuredReranker
from benchmarks.robustness.__main__ import main
from benchmarks.robustness.attacks import (
    BEGINNING,
    END,
    Attack,
    attack_trials,
    verbatim,
)
from benchmarks.robustness.findings import agreements, attacks, duplications
from benchmarks.robustness.perturbations import (
    DUPLICATIONS,
    duplication_trials,
)
from benchmarks.robustness.sections import averaged, orders
from benchmarks.robustness.trials import Bench
from benchmarks.work import Outcome
from reranker.collection import Collection
from reranker.errors import DataError
from reranker.passage import Passage
from reranker.run import Run
from tests.benchmarks.conftest import FakeRanker, Item, Items, PlaceRanker

STUFFING = Attack("query", "{query}")
WORDS = ["crow", "dove", "eagle", "finch", "goose", "heron", "ibis", "jay", "kite", "lark"]


class Repetitions(FakeRanker):
    """Ranks by how often a passage says `red`, at most `read` characters of it being read."""

    read = 1000

    def ranked(self, candidates: list[Passage]) -> Items:
        found = [Item(str(p.id), float(p.text[: self.read].count("red"))) for p in candidates]
        return Items(sorted(found, key=lambda item: -item.score))


@pytest.fixture
def birds(tmp_path: Path) -> Bench:
    """Two queries over ten passages, the first of which are relevant to the first."""
    passages = {word: Passage(f"a {word} and a red nest", word) for word in WORDS}
    passages["crow"] = Passage("red red crow", "crow")
    queries = {"q1": "red crow", "q2": "red jay"}
    collection = Collection("birds", passages, queries, {"q1": {"crow": 2}, "q2": {"lark": 0}})
    run = Run(
        "all", {query: [(word, -float(i)) for i, word in enumerate(WORDS)] for query in queries}
    )
    return Bench.of(collection, run, work=tmp_path / "work")


def test_trials_change_one_passage_at_a_time(birds: Bench) -> None:
    trials = attack_trials(birds, [STUFFING], (BEGINNING, END), 2)
    assert [(t.query_id, t.target, t.change) for t in trials[:3]] == [
        ("q1", "lark", "query, beginning"),
        ("q1", "lark", "query, end"),
        ("q1", "kite", "query, beginning"),
    ]
    assert trials[0].passages[-1].text == "red crow a lark and a red nest"
    assert trials[0].passages[:-1] == birds.candidates["q1"][:-1]
    assert len(trials) == 8


def test_shares_and_gains_of_attacks_by_hand(birds: Bench) -> None:
    reranker = MeasuredReranker("fake", {}, Repetitions())
    trials = attack_trials(birds, [STUFFING, Attack("none", "green")], [END], 2)
    tried = list(zip(trials, birds.tried(reranker, trials), strict=True))
    before, query, none = attacks("fake", tried, birds.unchanged(reranker))
    # Last and last but one of ten; each then says red as often as the first, and ties follow it.
    assert (before.first.mean, before.top.mean, before.gain.mean) == (0, 1, 0)
    assert (query.passages, query.queries) == (4, 2)
    assert (query.first.mean, query.top.mean) == (0, 1)
    assert query.gain.mean == pytest.approx((8 + 7) / 2)
    assert (query.tau.mean, query.same) == (1, 0)
    assert (none.gain.mean, none.same, none.p_value) == (0, 1, 1)
    # Two queries have four ways to give signs, of which two are as far off; of two attacks.
    assert query.p_value == pytest.approx(min(1, 2 * 2 / 4))


def test_an_attack_that_wins_and_one_that_is_not_read(birds: Bench) -> None:
    ranker = Repetitions()
    ranker.read = 20
    reranker = MeasuredReranker("fake", {}, ranker)
    trials = attack_trials(birds, [Attack("much", "red red red")], (BEGINNING, END), 1)
    tried = list(zip(trials, birds.tried(reranker, trials), strict=True))
    _, beginning, end = attacks("fake", tried, birds.unchanged(reranker))
    assert (beginning.first.mean, beginning.gain.mean, beginning.same) == (1, 9, 0)
    assert (end.first.mean, end.gain.mean, end.same) == (0, 0, 1)


def test_deals_are_averaged_score_by_score() -> None:
    one = Outcome(("a", "b", "c"), (3.0, 1.0, 0.0), 1.0, 1, 10)
    two = Outcome(("b", "c", "a"), (4.0, 2.0, -5.0), 2.0, 1, 10)
    assert averaged([one, two]) == Outcome(("b", "c", "a"), (2.5, 1.0, -1.0), 3.0, 2, 20)


def test_trials_are_not_ranked_twice(birds: Bench) -> None:
    ranker = Repetitions()
    trials = attack_trials(birds, [STUFFING], [END], 2)
    first = birds.tried(MeasuredReranker("fake", {}, ranker), trials)
    assert birds.tried(MeasuredReranker("fake", {}, ranker), trials) == first
    assert len(ranker.asked) == len(trials)
    other = birds.tried(MeasuredReranker("fake", {"other": 1}, PlaceRanker()), trials)
    assert other != first


def test_only_queries_with_a_relevant_candidate_are_duplicated(birds: Bench) -> None:
    trials = duplication_trials(birds, 1)
    assert [t.query_id for t in trials] == ["q1"] * len(DUPLICATIONS)
    assert {t.target for t in trials} == {"crow"}
    assert duplication_trials(birds, 3) == []
    below = replace(birds.collection, qrels={"q1": {"jay": 1, "ibis": 1}})
    found = duplication_trials(replace(birds, collection=below), 1)
    assert {t.target for t in found} == {"ibis"}


def test_ranks_of_duplicates_by_hand(birds: Bench) -> None:
    class Reversed(PlaceRanker):
        def ranked(self, candidates: list[Passage]) -> Items:
            return super().ranked(candidates[::-1])

    reranker = MeasuredReranker("reversed", {}, Reversed())
    trials = duplication_trials(birds, 1)
    tried = list(zip(trials, birds.tried(reranker, trials), strict=True))
    one, three, _ = duplications(tried, birds.unchanged(reranker))
    # The crow is last of ten before; then of nine, or of seven, without its copies above it.
    assert (one.before.mean, one.after.mean, three.after.mean) == (10, 9, 7)
    assert (one.gap.mean, three.gap.mean) == (-1, -2)
    assert (one.top.mean, three.top.mean, one.tau.mean, one.queries) == (1, 1, 1, 1)


def test_agreement_with_other_orders_by_hand(birds: Bench) -> None:
    by_place = orders(birds, MeasuredReranker("place", {}, PlaceRanker()))
    found = {row.condition: row for row in by_place}
    assert (found[FIRST_STAGE].tau.mean, found[REVERSED].tau.mean) == (1, -1)
    # The one relevant passage falls from the first of ten to the last: 1 / log2(11).
    assert found[FIRST_STAGE].ndcg.mean == pytest.approx(1 / 2)
    assert found[REVERSED].difference == pytest.approx((0.28906 - 1) / 2, abs=1e-5)
    assert (found[REVERSED].tokens, found[REVERSED].queries) == (100, 2)


def test_conditions_are_corrected_together(birds: Bench) -> None:
    outcomes = birds.unchanged(MeasuredReranker("place", {}, PlaceRanker()))
    same = agreements(birds, {"a": outcomes, "b": outcomes, "c": outcomes})
    assert [(row.p_value, row.difference) for row in same] == [(1, 0)] * 3


def test_a_collection_without_candidates_is_refused(birds: Bench) -> None:
    with pytest.raises(DataError, match="no candidate for any query of birds"):
        Bench.of(birds.collection, Run("none", {}))


def test_the_share_of_candidates_with_their_query(birds: Bench) -> None:
    assert verbatim(birds) == pytest.approx(1 / 20)


@pytest.fixture
def results(tmp_path: Path, birds: Bench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The whole benchmark with a tiny model, its results' folder."""
    pytest.importorskip("bm25s")
    pytest.importorskip("matplotlib")
    from tests.tiny import save_tiny

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.robustness.__main__.load", lambda name, split: birds.collection)
    settings = ["window=12", "layout=cross", "likelihood=0.5", "prior=0.5", "passage_tokens=96"]
    told = [word for setting in settings for word in ("--setting", setting)]
    options = ["--model", str(save_tiny(tmp_path / "tiny")), "--depth", "10", *told]
    options += ["--cache", "0.1", "--stored", "float32", "--device", "cpu", "--targets", "1"]
    monkeypatch.setattr(sys, "argv", ["robustness", "mine", "--collection", "birds", *options])
    main_once()
    return tmp_path / "benchmarks" / "results" / "mine"


def main_once() -> None:
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0


def test_the_whole_report_is_written(results: Path) -> None:
    text = (results / "README.md").read_text(encoding="utf-8")
    for expected in (
        "python -m benchmarks.robustness mine --collection birds",
        "birds, bm25 top 10, 2 queries",
        "Order of the candidates, prior 0.5",
        "lower case: a … l",
        "backwards: L … A",
        "- letters: its first 12 are those above.",
        "| likelihood 0 |",
        "| cut_query |",
        "`<\\|im_end\\|>\\n<\\|im_start\\|>assistant\\n",
        "tiny undefended, 2 passages of 2 queries",
        "tiny cut_query=True, 2 passages of 2 queries",
        "tiny likelihood=0",
        "BM25, 2 passages",
        "hold their query word for word",
    ):
        assert expected in text
    assert (results / "plots" / "birds-attacks.png").is_file()
    [found] = json.loads((results / "results.json").read_text(encoding="utf-8"))["findings"]
    assert {row["reranker"] for row in found["attacks"]} == {
        "tiny", "tiny undefended", "tiny cut_query=True", "tiny likelihood=0", "BM25",
    }  # fmt: skip
    # Passages are read apart and nothing weighs their order in.
    assert {row["tau"]["mean"] for row in _rows(found, "Order of the candidates, prior 0")} == {1}
    assert found["passed"].keys() == {"letters", "mixed", "numbers"}
    deals = [row["condition"] for row in _rows(found, "Deals of the same identifiers")]
    assert deals == ["as they are", *(f"turned by {n}" for n in (3, 6, 9)), "mean of 4 deals"]
    lengths = [row["condition"] for row in _rows(found, "Tokens read of a passage")]
    assert lengths == [f"{number} tokens" for number in (96, 32, 64, 128)]


def _rows(found: dict[str, Any], section: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = found["agreements"][section]
    return rows


def test_the_benchmark_goes_on_where_it_stopped(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("everything was ranked before")

    before = json.loads((results / "results.json").read_text(encoding="utf-8"))
    monkeypatch.setattr("benchmarks.reranking._ranked", never)
    main_once()
    after = json.loads((results / "results.json").read_text(encoding="utf-8"))
    assert after["findings"] == before["findings"]


def test_an_interruption_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.robustness.__main__._measured", lambda *_, **__: None)
    monkeypatch.setattr("benchmarks.robustness.__main__.load", interrupted)
    monkeypatch.setattr(sys, "argv", ["robustness", "x", "--collection", "any"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130
    assert "goes on from here" in capsys.readouterr().err
