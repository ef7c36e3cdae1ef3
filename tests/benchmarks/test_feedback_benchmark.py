import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.feedback import __main__ as feedback
from benchmarks.feedback.report import ALL, Searched, changes, measured, pooled
from benchmarks.kept_vectors import KeptVectors
from benchmarks.reranking import MeasuredReranker
from data.dense import Vectors
from data.feedback_command import MEASURES
from reranker.collection import Collection
from reranker.passage import Passage
from reranker.run import Run
from tests.benchmarks.conftest import FakeRanker, Item, Items

# Texts are points: the query lies near the animals' names, what it is about along another axis.
POINTS = {
    "the query": (1.0, 0.0, 0.1),
    "off the topic 1": (0.9, 0.5, 0.0),
    "off the topic 2": (0.8, 0.4, 0.0),
    "on the topic": (0.7, 0.0, 0.5),
    "off the topic 3": (0.6, 0.3, 0.0),
    "far, on the topic": (0.2, 0.0, 1.0),
    "weights": (1.0, 1.0, 1.0),
}
TEXTS = {f"p{place}": Passage(text, f"p{place}") for place, text in enumerate([*POINTS][1:6])}


@dataclass
class Points:
    """Encodes the texts above as their points."""

    model: str = "points"
    asked: list[str] = field(default_factory=list)

    def passages(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.array([POINTS[text] for text in texts], np.float32)

    def queries(self, texts: Sequence[str]) -> Vectors:
        return np.array([POINTS[text] for text in texts], np.float32)


class Topical(FakeRanker):
    """Reranks what is on the topic first."""

    def ranked(self, candidates: list[Passage]) -> Items:
        scores = [4.0 - n if p.text.startswith("on") else -n for n, p in enumerate(candidates)]
        found = [Item(str(p.id), float(s)) for p, s in zip(candidates, scores, strict=True)]
        return Items(sorted(found, key=lambda item: -item.score))


def second_first(runs: Sequence[Run]) -> Run:
    """A fusion that nothing has to be compiled for."""
    first, second = (dict.fromkeys(run.ids("q"), 0.0) for run in runs)
    return Run("second first", {"q": list((second | first).items())})


@pytest.fixture
def ranker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Topical:
    """A collection of the texts above, their encoder, and the reranker."""
    queries = {"q": "the query", "unjudged": "the query"}
    toy = Collection("toy", TEXTS, queries, {"q": {"p2": 1, "p4": 2}})
    found = Topical()
    reranker = MeasuredReranker("topical", {"model": "topical"}, found)
    monkeypatch.setattr(feedback, "load", lambda name: toy)
    monkeypatch.setattr(feedback, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(feedback, "FOLDER", tmp_path / "runs")
    monkeypatch.setattr("data.dense.SentenceEncoder", Points)
    monkeypatch.setattr("data.fusion.fuse", second_first)
    monkeypatch.setattr("benchmarks.models.measured_rerankers", lambda *a, **k: [reranker])
    monkeypatch.chdir(tmp_path)
    return found


def run(*more: str) -> dict[str, Any]:
    command = ["out", "--collection", "toy", "--dense-model", "points", "--depth", "3", *more]
    result = CliRunner().invoke(feedback.app, [*command, "--again", "4"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(Path("results/out/results.json").read_text())
    return found


def test_both_searches_are_measured(ranker: Topical) -> None:
    pytest.importorskip("matplotlib")
    report = run()
    [searched] = report["searched"]
    assert (searched["collection"], searched["passages"]) == ("toy", 5)
    found = {
        name: {m: v["q"] for m, v in per.items()} for name, per in searched["per_query"].items()
    }
    assert list(found) == ["dense", "reranked", "feedback", "fused"]
    # One of two relevant passages is among the first four before, both after.
    for measure in ("Recall@100", "Recall@1000"):
        values = [found[name][measure] for name in found]
        assert values == [0.5, 0.5, 1, 1]
    assert found["reranked"]["nDCG@10"] == pytest.approx(1 / (2 + 1 / np.log2(3)))
    assert found["feedback"]["nDCG@10"] > found["dense"]["nDCG@10"]
    [change] = (c for c in report["changes"] if (c["run"], c["measure"]) == ("fused", "Recall@100"))
    assert (change["queries"], change["before"], change["after"], change["better"]) == (
        1,
        0.5,
        1,
        1,
    )
    text = Path("results/out/README.md").read_text()
    assert "| toy | 5 | 1 | 0.500 | 1.000 | +0.500 [+0.500, +0.500] | 1 / 0 | 1.000 |" in text
    assert "dense points, depth 3, again 4, stages kl:0.005:100 weighted_ranknet:0.001:20" in text
    assert Path("results/out/recall.svg").stat().st_size > 1000
    assert ranker.asked == ["the query"]


def test_nothing_is_reranked_or_encoded_twice(ranker: Topical) -> None:
    first = run("--no-plots")["searched"]
    assert run("--no-plots")["searched"] == first
    assert len(ranker.asked) == 1
    run("--no-plots", "--fresh")
    assert len(ranker.asked) == 2
    encoder = Points()
    vectors = KeptVectors(encoder, Path("benchmarks/runs/vectors"))
    texts = [passage.text for passage in TEXTS.values()]
    assert vectors.passages(texts).tolist() == Points().passages(texts).tolist()
    assert encoder.asked == []


def test_vectors_are_kept_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.kept_vectors._PART", 2)
    texts, encoder = [*POINTS][:5], Points()
    first = KeptVectors(encoder, tmp_path).passages(texts)
    assert len(list(tmp_path.iterdir())) == 3
    more = [*texts, "weights"]
    second = KeptVectors(encoder, tmp_path).passages(more)
    # The last part alone is another.
    assert encoder.asked == [*texts, *more[4:]]
    assert second[:5].tolist() == first.tolist()


def searched(name: str, values: dict[str, Sequence[float]]) -> Searched:
    """Runs of the same values for every measure."""
    per_query = {
        run: {m: {str(n): v for n, v in enumerate(found)} for m in MEASURES}
        for run, found in values.items()
    }
    return Searched(name, 100, 1, per_query)


def test_changes_are_tested_and_corrected() -> None:
    up = [1.0] * 6
    none = [0.0] * 6
    half = [1.0, 0, 0, 0, 0, 0]
    found = [
        searched("a", {"dense": none, "reranked": none, "feedback": up, "fused": half}),
        searched("b", {"dense": up, "reranked": up, "feedback": up, "fused": none}),
    ]
    rows = [row for row in changes(found) if row.measure == "Recall@100"]
    assert [(row.collection, row.run) for row in rows] == [
        (name, run) for name in ("a", "b", ALL) for run in ("feedback", "fused")
    ]
    a, half_way, same, worse, both, fused = rows
    assert (a.before, a.after, a.difference.mean, a.better, a.worse) == (0, 1, 1, 6, 0)
    # Of 64 ways to sign six equal differences, two are as large; of four tests it is the first.
    assert (a.p_value, a.adjusted) == (2 / 64, 4 * 2 / 64)
    assert (half_way.better, half_way.p_value, half_way.adjusted) == (1, 1, 1)
    assert (same.p_value, same.difference.low) == (1, 0)
    assert (worse.worse, worse.difference.mean) == (6, -1)
    assert (both.queries, both.passages, both.difference.mean) == (12, 200, 0.5)
    assert both.adjusted == 2 * both.p_value == 2 * 2 / 64
    assert fused.difference.mean == pytest.approx((1 - 6) / 12)
    assert pooled(found).per_query["dense"]["nDCG@10"]["b 5"] == 1


def test_reranking_is_told_of_ndcg_alone() -> None:
    values = [0.5, 0.25]
    runs = dict.fromkeys(("dense", "reranked", "feedback", "fused"), values)
    rows = changes([searched("a", runs)])
    assert "| reranked | Δ |" in measured(rows, "nDCG@10")
    assert "reranked" not in measured(rows, "Recall@1000")
    assert ALL not in measured(rows, "nDCG@10")
