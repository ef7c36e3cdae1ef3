import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmarks.baselines import __main__ as baselines
from benchmarks.baselines.query_likelihood import QueryLikelihood
from benchmarks.baselines.scored import Scores, ScoringRanker
from data.dense import Vectors
from reranker import Reranker
from reranker.checkpoint import Checkpoint, load
from reranker.collection import Collection
from reranker.passage import Passage
from tests.tiny import save_tiny, tiny_model, tiny_tokenizer

PASSAGES = [Passage("a cat sat", "p"), Passage("by a dog", "q", title="Dog"), Passage("x", "r")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny")


def test_the_likelihood_is_the_sum_of_the_tokens_logarithms() -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    found = QueryLikelihood(Checkpoint("tiny", model, tokenizer, None)).score("who?", PASSAGES)
    asked = tokenizer(" who?")["input_ids"]
    tokens = 0
    for text, value in zip((" a cat sat", " Dog by a dog", " x"), found.values, strict=True):
        row = tokenizer(f"Passage:{text}. Please write a question based on this passage.")
        ids = [*row["input_ids"], *asked]
        with torch.no_grad():
            chances = model(torch.tensor([ids])).logits[0].log_softmax(1)
        start = len(ids) - len(asked)
        by_hand = sum(chances[place - 1, ids[place]].item() for place in range(start, len(ids)))
        assert value == pytest.approx(by_hand, abs=1e-4)
        tokens += len(ids)
    assert (found.tokens, len(found.windows)) == (tokens, 3)


def test_the_likelihood_reads_so_much_and_no_more() -> None:
    tokenizer = tiny_tokenizer()
    checkpoint = Checkpoint("tiny", tiny_model(tokenizer), tokenizer, None)
    cut = QueryLikelihood(checkpoint, passage_tokens=3, query_tokens=4)
    whole = QueryLikelihood(checkpoint)
    # A space belongs to each.
    expected = whole.score("who", [Passage("a ", "p")])
    assert cut.score("who sat?", [Passage("a cat", "p")]) == expected


def test_the_library_and_the_textbook_read_the_same_likelihood(folder: Path) -> None:
    """Of one passage's row: the library's layout, scored as the textbook does."""
    reranker = Reranker(str(folder), layout="cross", likelihood=999, strategy="full")
    ranking = reranker.rank("who sat?", PASSAGES)
    checkpoint = load(str(folder))
    prefix = "Passages, each with its identifier:\n\n"
    values = {}
    for passage in PASSAGES:
        text = f"{passage.title}: {passage.text}" if passage.title else passage.text
        ids, asked = (
            checkpoint.tokenizer(part)["input_ids"]
            for part in (f"{prefix}{text}\nQuestion:", " who sat?")
        )
        with torch.no_grad():
            chances = checkpoint.model(torch.tensor([ids + asked])).logits[0].log_softmax(1)
        places = range(len(ids) - 1, len(ids) + len(asked) - 1)
        values[passage.id] = chances[places, asked].sum().item()
    assert [ranked.id for ranked in ranking] == sorted(values, key=lambda id_: -values[str(id_)])
    best, *_, last = ranking
    assert best.score - last.score == pytest.approx(
        999 * (values[best.id] - values[last.id]), rel=1e-2
    )


class Lengths:
    """Scores a passage by its length."""

    def score(self, query: str, passages: Sequence[Passage]) -> Scores:
        return Scores([float(len(p.text)) for p in passages], range(2), len(query))


def test_a_scorer_ranks() -> None:
    passages = [Passage(text, text) for text in ("b", "cc", "a", "dd")]
    ranked, empty = ScoringRanker(Lengths()).rank_many(["query", "q"], [passages, []])
    assert [(one.id, one.score) for one in ranked] == [("cc", 2), ("dd", 2), ("b", 1), ("a", 1)]
    assert (ranked.explain().tokens, len(ranked.explain().windows)) == (5, 2)
    assert list(empty) == []


class Letters:
    """Encodes a text as how often it has an a and an o."""

    def __init__(self, model: str) -> None:
        self.model = model

    def passages(self, texts: Sequence[str]) -> Vectors:
        return np.array([[text.count("a"), text.count("o")] for text in texts], np.float32)

    queries = passages


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Collection:
    passages = {str(passage.id): passage for passage in PASSAGES}
    queries = {"1": "a a", "2": "o"}
    found = Collection("toy", passages, queries, {"1": {"p": 1}, "2": {"q": 1}})
    monkeypatch.setattr("benchmarks.experiment.load", lambda name, split: found)
    monkeypatch.setattr("benchmarks.baselines.bi_encoder.SentenceEncoder", Letters)
    monkeypatch.setattr(baselines, "RESULTS", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return found


def run(folder: Path, *more: str) -> dict[str, Any]:
    first = folder.parent / "first.trec"
    lines = [f"{q} Q0 {p} {n} {9 - n} t" for q in "12" for n, p in enumerate("pqr")]
    first.write_text("\n".join(lines) + "\n")
    command = ["out", "--collection", "toy", "--first-stage", str(first), "--base", str(folder)]
    arguments = [*command, "--model", str(folder), "--no-plots", *more]
    result = CliRunner().invoke(baselines.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    path = Path("results/out/results.json")
    [experiment] = json.loads(path.read_text())["experiments"]
    return {row["label"]: row for row in experiment["rows"]}


LABELS = [
    "first",
    *(f"tiny {name}" for name in ("suffix", "listwise", "likelihood", "UPR", "ICR")),
    *("tiny", "tiny prior=0", "tiny identifier alone", "tiny likelihood alone"),
]


@pytest.mark.usefixtures("toy")
def test_the_command_measures_every_way_over_the_same_candidates(folder: Path) -> None:
    pytest.importorskip("ranx")
    # The tiny model was trained for this layout, so to say.
    other = save_tiny(folder.parent / "tiny trained")
    settings = Reranker(str(other), layout="cross", likelihood=0.5, prior=0.7).settings
    settings.write(folder)
    rows = run(folder, "--dense-model", "letters")
    assert list(rows) == [*LABELS, "bi-encoder"]
    told = {label: row["settings"] for label, row in rows.items()}
    for label in LABELS[1:]:
        assert told[label]["passage_tokens"] == 96
    chosen = {
        label: tuple(told[f"tiny{label}"][key] for key in ("layout", "likelihood", "prior"))
        for label in (" suffix", " listwise", " likelihood", "", " prior=0", " identifier alone")
    }
    assert chosen == {
        " suffix": ("suffix", 0, 0),
        " listwise": ("listwise", 0, 0),
        " likelihood": ("cross", 1, 0),
        "": ("cross", 0.5, 0.7),
        " prior=0": ("cross", 0.5, 0),
        " identifier alone": ("cross", 0, 0),
    }
    assert rows["tiny UPR"]["cost"]["windows"] == 3
    assert rows["tiny ICR"]["cost"]["windows"] == 1
    # The query "a a" is nearest to the passage with the most of them.
    assert rows["bi-encoder"]["per_query"]["nDCG@10"] == {"1": 1, "2": 1}
    assert "tokens not counted" in Path("results/out/README.md").read_text()


def test_importing_the_command_loads_no_model_code() -> None:
    code = "import sys, benchmarks.baselines; print({'ranx', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
