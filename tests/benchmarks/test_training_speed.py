import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.timing import PairedTimes
from benchmarks.training_speed.__main__ import RECIPE, TrainingSpeed, app, markdown, measure
from benchmarks.training_speed.steps import packed_scores, padded_scores, steppers
from tests.tiny import save_tiny
from training.model import build
from training.recipe import Recipe

SMALL = (
    "window={least: 2, most: 6}",
    "passage_tokens={least: 8, most: 24}",
    "reranker.window=6",
    "reranker.stride=3",
    "reranker.passage_tokens=24",
    "batch=3",
    "learning_rate=1e-2",
    "device=cpu",
)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    model = save_tiny(tmp_path_factory.mktemp("tiny"))
    return Recipe.parse(RECIPE, [*SMALL, f"model={model}", "steps=4"])


def found(recipe: Recipe) -> TrainingSpeed:
    return TrainingSpeed(
        command="python -m benchmarks.training_speed",
        recipe=recipe.text(),
        times=PairedTimes((4.0, 9.0, 6.0), (2.0, 3.0, 1.0)),
        tokens=(100, 90, 60),
        padding=(0.5, 0.25, 0.0),
        losses=((1.0, 2.0), (1.0, 2.5)),
        loss_difference=0.5,
        device="cpu",
        threads=1,
        load_average=0.5,
    )


def test_tokens_a_second_are_those_without_padding(recipe: Recipe) -> None:
    assert found(recipe).speeds == ((25.0, 10.0, 10.0), (50.0, 30.0, 60.0))


def test_the_report_tells_both_sides_and_what_was_missed(recipe: Recipe) -> None:
    text = markdown(found(recipe))
    assert "| padded, full head | 10 | 10 to 25 | 6 |" in text
    assert "| packed, narrow head | 50 | 30 to 60 | 2 |" in text
    assert "| times as fast | 3.000 [2.000, 6.000] | ≥ 1.5 | met |" in text
    assert "| losses apart | 0.5 | ≤ 0.0001 | missed |" in text
    assert "padding 25% of the padded rows" in text
    slow = replace(found(recipe), times=PairedTimes((1.0,) * 3, (1.0,) * 3), loss_difference=1e-5)
    assert "≥ 1.5 | missed |" in markdown(slow)
    assert "≤ 0.0001 | met |" in markdown(slow)


def test_batches_are_the_same_rows_packed_and_padded(recipe: Recipe) -> None:
    batches = steppers(recipe).batches
    assert len(batches) == 4
    for batch in batches:
        assert batch.tokens.shape == batch.seen.shape
        assert torch.equal(batch.tokens[batch.seen.bool()], batch.pack.tokens)
        longest = batch.seen.sum(1).max()
        assert batch.padding == pytest.approx(1 - batch.real / (3 * longest))
    assert any(batch.padding > 0 for batch in batches)


def test_both_ways_give_the_same_scores_and_gradients(recipe: Recipe) -> None:
    [batch, *_] = steppers(recipe).batches
    (own, _), (plain, _) = build(recipe), build(recipe)
    plain.base.set_attn_implementation("sdpa")
    pairs = ((packed_scores, own), (padded_scores, plain))
    ours, theirs = (scoring(model, batch) for scoring, model in pairs)
    mask = batch.pack.mask
    torch.testing.assert_close(ours[mask], theirs[mask], atol=1e-6, rtol=1e-5)
    for scores in (ours, theirs):
        scores[mask].square().sum().backward()
    for (name, one), (_, other) in zip(
        own.named_parameters(), plain.named_parameters(), strict=True
    ):
        if "lora_B" in name:
            assert one.grad is not None
            assert one.grad.abs().sum() > 0
            torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-4)


def test_losses_stay_together_while_both_learn(recipe: Recipe) -> None:
    seen = measure(recipe, 3)
    padded, packed = seen.losses
    assert len(padded) == len(packed) == 4
    assert len(set(packed)) == 4
    assert seen.loss_difference == pytest.approx(
        max(abs(a - b) for a, b in zip(*seen.losses, strict=True))
    )
    assert seen.loss_difference < 1e-4
    assert len(seen.times.ratios) == len(seen.tokens) == 3


def test_the_command_writes_its_results(recipe: Recipe, tmp_path: Path) -> None:
    told = CliRunner().invoke(
        app,
        ["--output", str(tmp_path), "--rounds", "1", *SMALL, f"model={recipe.model}"],
        catch_exceptions=False,
    )
    assert told.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "training.json"}
    values = json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))
    assert values["ratio"] == values["times"]["first"][0] / values["times"]["second"][0]
    assert values["tokens_a_second"][1][0] == values["tokens"][0] / values["times"]["second"][0]
