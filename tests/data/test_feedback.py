from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from data.dense import Dense, Vector, Vectors
from data.feedback import FIRST, Feedback, Stage, feed_back, kl, moved, weighted_ranknet
from data.feedback_command import rerank
from reranker import Reranker
from reranker.collection import Collection
from reranker.errors import DataError, InputError, SettingsError
from reranker.passage import Passage
from reranker.ranking import Ranking
from reranker.run import Run, read_trec
from tests.tiny import save_tiny
from training.objectives import weighted_ranknet as trained_ranknet

Floats = NDArray[np.float64]
KL, RANKNET = FIRST

DIMENSIONS, PASSAGES = 8, 12


def example(seed: int = 0) -> tuple[Vector, Vectors, list[float]]:
    """A query, passages and a teacher's scores that do not agree."""
    drawn = np.random.default_rng(seed)
    query = drawn.normal(size=DIMENSIONS).astype(np.float32)
    passages = drawn.normal(size=(PASSAGES, DIMENSIONS)).astype(np.float32)
    return query, passages, (5 * drawn.normal(size=PASSAGES)).tolist()


def gamma(query: Vector, passages: Vectors, scores: Sequence[float]) -> float:
    dots = passages.astype(float) @ query.astype(float)
    return float(np.ptp(scores) / np.ptp(dots))


def softmax(scores: Floats) -> Floats:
    powers: Floats = np.exp(scores - scores.max())
    return powers / powers.sum()


def kl_gradient(scores: Floats, taught: Floats) -> Floats:
    return softmax(scores) - softmax(taught)


def ranknet_gradient(scores: Floats, taught: Floats) -> Floats:
    ranks = [1 + sum(other > mine for other in taught) for mine in taught]
    slopes, count = np.zeros(len(scores)), 0
    for i, better in enumerate(taught):
        for j, worse in enumerate(taught):
            if better > worse:
                slope = 1 / (1 + np.exp(scores[i] - scores[j])) / (ranks[i] + ranks[j])
                slopes[i], slopes[j], count = slopes[i] - slope, slopes[j] + slope, count + 1
    return slopes / count


@pytest.mark.parametrize(
    ("loss", "gradient"), [("kl", kl_gradient), ("weighted_ranknet", ranknet_gradient)]
)
def test_steps_are_those_worked_out_by_hand(
    loss: str, gradient: Callable[[Floats, Floats], Floats]
) -> None:
    query, passages, scores = example()
    scores[3] = scores[7]
    scale = gamma(query, passages, scores) / 2
    vector, mean, square = query.astype(float), np.zeros(DIMENSIONS), np.zeros(DIMENSIONS)
    P = passages.astype(float)
    for step in range(1, 6):
        found = moved(query, passages, scores, Feedback((Stage(loss, 0.1, step),)))
        slope = scale * P.T @ gradient(scale * P @ vector, np.array(scores))
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        towards = mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        vector = vector - 0.1 * towards
        assert found.dtype == np.float32
        assert found == pytest.approx(vector, abs=1e-6)


def test_the_divergence_of_two_passages() -> None:
    # Probabilities 3/4 and 1/4 taught, 1/2 and 1/2 found.
    found = kl(torch.zeros(2), torch.tensor([3.0, 1.0]).log())
    assert found.item() == pytest.approx(0.75 * np.log(1.5) + 0.25 * np.log(0.5))


@given(st.lists(st.tuples(st.floats(-9, 9), st.integers(0, 3)), min_size=2, max_size=9))
def test_weighted_ranknet_is_the_loss_that_trains(rows: list[tuple[float, int]]) -> None:
    scores, taught = torch.tensor(rows, dtype=torch.float64).T
    if taught.min() == taught.max():
        return
    mask = torch.ones(1, len(rows), dtype=torch.bool)
    expected = trained_ranknet(scores[None], taught[None], mask)
    assert weighted_ranknet(scores, taught).item() == pytest.approx(expected.item())


def test_the_divergence_falls_all_along() -> None:
    query, passages, scores = example()
    scale = gamma(query, passages, scores) / 2
    taught, P = torch.tensor(scores, dtype=torch.float64), torch.tensor(passages).double()
    found = [
        moved(query, passages, scores, Feedback((Stage("kl", 5e-3, steps),)))
        for steps in range(0, 101, 10)
    ]
    values = [kl(scale * (P @ torch.tensor(vector).double()), taught).item() for vector in found]
    assert all(later < earlier for earlier, later in pairwise(values))


@pytest.mark.parametrize("stages", [(KL,), (RANKNET,), (KL, RANKNET)])
def test_what_the_reranker_prefers_rises(stages: tuple[Stage, ...]) -> None:
    query, passages, _ = example()
    last = int(np.argmin(passages @ query))
    scores = [10.0 * (place == last) for place in range(PASSAGES)]
    vector = moved(query, passages, scores, Feedback(stages))
    before, after = ((passages @ v)[last] - np.delete(passages @ v, last) for v in (query, vector))
    assert after.mean() > before.mean()


def test_with_time_the_reranker_has_its_order() -> None:
    query = np.full(3, 0.5, np.float32)
    passages = np.eye(3, dtype=np.float32) * [1, 0.9, 0.8]
    vector = moved(query, passages.astype(np.float32), [-1.0, 2.0, 5.0])
    assert (-passages @ query).argsort().tolist() == [0, 1, 2]
    assert (-passages @ vector).argsort().tolist() == [2, 1, 0]


def test_the_defaults_are_those_of_the_paper() -> None:
    assert Feedback() == Feedback(
        (Stage("kl", 0.005, 100), Stage("weighted_ranknet", 0.001, 20)), depth=100
    )


def test_stages_are_read_as_they_are_written() -> None:
    assert [Stage.parse(str(stage)) for stage in FIRST] == [*FIRST]
    for text in ("kl", "kl:0.1", "kl:fast:1", "kl:0.1:1.5"):
        with pytest.raises(SettingsError, match=r"such as kl:0\.005:100, found"):
            Stage.parse(text)


def test_stages_follow_one_another_so_two_teachers_may_share_them() -> None:
    query, passages, scores = example()
    between = moved(query, passages, scores, Feedback((KL,)))
    after = moved(between, passages, scores, Feedback((RANKNET,)))
    assert moved(query, passages, scores) == pytest.approx(after, abs=1e-6)
    assert abs(after - between).max() > 1e-3


def test_no_steps_change_nothing() -> None:
    query, passages, scores = example()
    for stages in ((), (Stage("kl", 1.0, 0), Stage("weighted_ranknet", 1.0, 0))):
        assert moved(query, passages, scores, Feedback(stages)).tolist() == query.tolist()


def test_without_a_difference_there_is_nothing_to_learn() -> None:
    query, passages, scores = example()
    # As a ranking sets tied scores apart.
    tied = [-1e-6 * place for place in range(PASSAGES)]
    same = np.tile(passages[:1], (PASSAGES, 1))
    for vectors, taught in ((passages, tied), (same, scores), (passages[:1], scores[:1])):
        assert moved(query, vectors, taught).tolist() == query.tolist()
    orthogonal = np.zeros(DIMENSIONS, np.float32)
    assert moved(orthogonal, passages, scores).tolist() == orthogonal.tolist()


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(PASSAGES)), st.floats(-50, 50))
def test_order_and_level_of_the_scores_do_not_matter(order: list[int], level: float) -> None:
    query, passages, scores = example()
    expected = moved(query, passages, scores)
    assert moved(query, passages, scores).tolist() == expected.tolist()
    shifted = [scores[place] + level for place in order]
    assert moved(query, passages[order], shifted) == pytest.approx(expected, abs=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    query, passages, scores = example()
    with pytest.raises(InputError, match=r"found shapes \(8,\), \(12, 8\) and \(11,\)"):
        moved(query, passages, scores[1:])
    with pytest.raises(InputError, match="at least one passage"):
        moved(query, passages[:0], [])
    with pytest.raises(InputError, match="finite"):
        moved(query, passages, [*scores[1:], float("nan")])


@pytest.mark.parametrize("stage", [("listnet", 0.1, 1), ("kl", 0.0, 1), ("kl", 0.1, -1)])
def test_settings_that_make_no_sense_are_refused(stage: tuple[str, float, int]) -> None:
    with pytest.raises(SettingsError, match="a stage of feedback needs"):
        Stage(*stage)
    with pytest.raises(SettingsError, match="a stage of feedback needs"):
        Stage.parse(":".join(map(str, stage)))
    with pytest.raises(SettingsError, match="a depth of at least 1"):
        Feedback(depth=0)


# Texts are points: the query lies near the animals' names, what it is about along another axis.
POINTS = {
    "the query": (1.0, 0.0, 0.1),
    "off the topic 1": (0.9, 0.5, 0.0),
    "off the topic 2": (0.8, 0.4, 0.0),
    "on the topic": (0.7, 0.0, 0.5),
    "off the topic 3": (0.6, 0.3, 0.0),
    "far, on the topic": (0.2, 0.0, 1.0),
}
TEXTS = {f"p{place}": Passage(text, f"p{place}") for place, text in enumerate([*POINTS][1:])}


class Points:
    """Encodes the texts above as their points."""

    def __init__(self, model: str = "points") -> None:
        self.model = model

    def passages(self, texts: Sequence[str]) -> Vectors:
        return np.array([POINTS[text] for text in texts], np.float32)

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self.passages(texts)


class Topical:
    """Reranks what is on the topic first."""

    def __init__(self, model: str | None = None) -> None:
        self.model = model

    def rank_stream(
        self, pairs: Iterable[tuple[str, Sequence[Passage]]]
    ) -> Iterator[tuple[int, Ranking]]:
        for place, (query, passages) in enumerate(pairs):
            scores = [4.0 - n if p.text.startswith("on") else -n for n, p in enumerate(passages)]
            order = np.argsort(scores)[::-1].tolist()
            scored = [(int(n), float(scores[n])) for n in order]
            yield place, Ranking.of_scores(query, passages, scored)


def test_a_relevant_passage_beyond_the_reranked_ones_is_found() -> None:
    dense = Dense(TEXTS, encoder=Points())
    queries = {"q": "the query", "unranked": "the query"}
    first = dense.search(queries)
    assert first.ids("q") == ["p0", "p1", "p2", "p3", "p4"]
    reranked = Run("reranked", {"q": [("p2", 4.0), ("p0", 0.0), ("p1", -1.0)]})
    run = feed_back(dense, queries, reranked, depth=2)
    assert run.name == "feedback"
    assert set(run.ids("q")) == {"p2", "p4"}
    assert run.rankings["unranked"] == first.rankings["unranked"][:2]


def test_feedback_learns_from_the_best_alone() -> None:
    dense = Dense(TEXTS, encoder=Points())
    taught = [("p2", 4.0), ("p0", 0.0), ("p1", -1.0)]
    cut = feed_back(dense, {"q": "the query"}, Run("", {"q": taught}), how=Feedback(depth=2))
    assert cut == feed_back(dense, {"q": "the query"}, Run("", {"q": taught[:2]}))
    assert cut != feed_back(dense, {"q": "the query"}, Run("", {"q": taught}))


def test_a_run_over_other_passages_is_refused() -> None:
    dense = Dense(TEXTS, encoder=Points())
    run = Run("", {"q": [("p0", 1.0), ("elsewhere", 0.0)]})
    with pytest.raises(DataError, match=r"no passage 'elsewhere' \(1 of 2 are unknown\)"):
        feed_back(dense, {"q": "the query"}, run)


def test_a_reranker_gives_its_scores(tmp_path: Path) -> None:
    reranker = Reranker(save_tiny(tmp_path), layout="suffix")
    collection = Collection("toy", TEXTS, {"q": "the query", "r": "on the topic"})
    candidates = Dense(TEXTS, encoder=Points()).search(collection.queries, depth=3)
    run = rerank(collection, collection.queries, candidates, reranker)
    for query, text in collection.queries.items():
        ranking = reranker.rank(text, [TEXTS[id_] for id_ in candidates.ids(query)])
        assert run.ids(query) == [ranked.id for ranked in ranking]
        scores = [score for _, score in run.rankings[query]]
        assert scores == pytest.approx([ranked.score for ranked in ranking], abs=1e-5)


@pytest.fixture
def on_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection of the texts above, their encoder, and the reranker."""
    queries = {"q": "the query", "unjudged": "the query"}
    toy = Collection("toy", TEXTS, queries, {"q": {"p2": 1, "p4": 2}})
    monkeypatch.setattr("data.feedback_command.load", lambda name, split: toy)
    monkeypatch.setattr("data.dense.SentenceEncoder", Points)
    monkeypatch.setattr("data.feedback_command.Reranker", Topical)
    monkeypatch.setattr("data.feedback_command.fuse", second_first)


def second_first(runs: Sequence[Run]) -> Run:
    """A fusion that nothing has to be compiled for."""
    first, second = (dict.fromkeys(run.ids("q"), 0.0) for run in runs)
    return Run("second first", {"q": list((second | first).items())})


def figures(output: str) -> Mapping[str, list[float]]:
    """The table's rows by their names."""
    rows = [line.replace("│", " ").split() for line in output.splitlines() if "0." in line]
    return {row[0]: [float(cell) for cell in row[1:]] for row in rows}


@pytest.mark.usefixtures("on_topic")
def test_the_command_tells_what_feedback_gave_and_writes_the_runs(tmp_path: Path) -> None:
    from data.__main__ import app

    command = ["feedback", "toy", "--depth", "3", "--again", "4", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, [*command, "--fused"])
    assert result.exit_code == 0, result.output
    assert "toy, 1 queries" in result.output
    found = figures(result.output)
    # One of two relevant passages is among the first four before, both after.
    assert found["dense"][1:] == [0.5, 0.5]
    assert found["feedback"][1:] == [1.0, 1.0]
    assert found["feedback"][0] > found["dense"][0]
    assert read_trec(tmp_path / "dense.trec.gz").ids("q") == ["p0", "p1", "p2", "p3"]
    assert read_trec(tmp_path / "reranked.trec.gz").ids("q") == ["p2", "p0", "p1"]
    searched = [read_trec(tmp_path / f"{name}.trec.gz") for name in ("dense", "feedback")]
    assert "p4" in searched[1].ids("q")
    both = dict.fromkeys(searched[1].ids("q") + searched[0].ids("q"))
    assert read_trec(tmp_path / "fused.trec.gz").ids("q") == [*both][:4]
    assert found.keys() == {"dense", "reranked", "feedback", "fused"}


@pytest.mark.usefixtures("on_topic")
def test_the_command_learns_from_a_run_as_from_a_reranker(tmp_path: Path) -> None:
    from data.__main__ import app

    command = ["feedback", "toy", "--depth", "3", "--again", "4", "--limit", "1"]
    kept = CliRunner().invoke(app, [*command, "--output", str(tmp_path)])
    again = CliRunner().invoke(app, [*command, "--reranked", str(tmp_path / "reranked.trec.gz")])
    assert figures(again.output) == figures(kept.output) != {}
    still = CliRunner().invoke(app, [*command, "--stage", "kl:0.1:0"])
    rows = figures(still.output)
    assert rows["feedback"] == rows["dense"]


def test_the_command_wants_judgments(monkeypatch: pytest.MonkeyPatch) -> None:
    from data.__main__ import app

    toy = Collection("toy", TEXTS, {"q": "the query"})
    monkeypatch.setattr("data.feedback_command.load", lambda name, split: toy)
    result = CliRunner().invoke(app, ["feedback", "toy"])
    assert "no judged query" in str(result.exception)
