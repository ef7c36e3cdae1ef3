"""The trainer on the tiny model: it learns, resumes exactly, and what it writes loads."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from data.measures import ndcg
from reranker import Reranker
from reranker.errors import DataError, SettingsError
from tests.training.toy import toy_recipe, toy_rows, toy_text
from training.checkpoints import MANIFEST, seal
from training.errors import TrainingError
from training.job import train

ROOT = Path(__file__).parents[2]
LEARNS = (
    "lora=null",
    "neftune=0",
    "window={least: 2, most: 2}",
    "identifiers=4",
    "reranker.window=2",
    "reranker.stride=1",
    "passage_tokens={least: 4, most: 4}",
    "batch=16",
    "steps=150",
    "schedule=constant_with_warmup",
    "log_every=25",
    "pass_tokens=1000",
    "save_every=1000",
)


def weights(folder):
    [path] = Path(folder).glob("*.safetensors")
    return load_file(path)


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def unbroken(toy, tmp_path_factory):
    """A run of 12 steps, its checkpoints at 8 and 12 still there."""
    return train(toy_recipe(toy), tmp_path_factory.mktemp("unbroken"))


def test_the_loss_falls_and_the_result_ranks_as_the_trained_model(toy, tmp_path):
    recipe = toy_recipe(toy, *LEARNS, "dev=[{name: toy, rows: rows.jsonl, depth: 2}]")
    output = train(recipe, tmp_path / "out")
    state = json.loads((output / "checkpoints/checkpoint-150/trainer_state.json").read_text())
    losses = [entry["loss"] for entry in state["log_history"] if "loss" in entry]
    assert losses[0] > 0.65
    assert losses[-1] < 0.5
    measured = json.loads((output / "training.json").read_text())
    assert measured["step"] == 150
    # A reranker made of the folder ranks the dev set exactly as the model in training did.
    reranker = Reranker(output, device="cpu")
    values = []
    for row in toy_rows():
        ranking = reranker.rank(row.query, row.passages[:2])
        values.append(ndcg([row.relevance[item.index] for item in ranking], row.relevance))
    assert sum(values) / len(values) == pytest.approx(measured["ndcg@10"]["toy"], abs=1e-9)
    assert state["best_metric"] == pytest.approx(measured["ndcg@10"]["toy"])


def test_other_dev_sets_have_a_best_of_their_own(toy, tmp_path):
    """What stood out on an easy set does not keep all later weights away on a hard one."""
    easy = "dev=[{name: easy, rows: rows.jsonl, depth: 2, queries: 3}]"
    hard = "dev=[{name: hard, rows: rows.jsonl, depth: 4}]"
    shape = ("steps=8", "evaluate_every=4")
    train(toy_recipe(toy, easy, *shape), tmp_path)
    checkpoints = tmp_path / "checkpoints"
    shutil.rmtree(checkpoints / "checkpoint-8")
    state = checkpoints / "checkpoint-4" / "trainer_state.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "best_metric": 2.0}))
    (checkpoints / "checkpoint-4" / MANIFEST).unlink()
    seal(checkpoints / "checkpoint-4")
    train(toy_recipe(toy, hard, *shape), tmp_path)
    told = json.loads((tmp_path / "training.json").read_text())
    assert (told["step"], list(told["ndcg@10"])) == (8, ["hard"])


def test_an_adapter_that_counts_for_another_weight_is_no_start(unbroken, toy, tmp_path):
    recipe = toy_recipe(toy, f"lora.start={unbroken}", "lora.alpha=64")
    with pytest.raises(TrainingError, match=r"lora_alpha 32.*the recipe 64"):
        train(recipe, tmp_path)


def test_a_checkpoint_holds_what_it_was_made_of(unbroken, toy):
    names = {path.name for path in unbroken.iterdir()}
    assert names == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "checkpoints",
        "recipe.yaml",
        "reranker.json",
        "training.json",
    }
    record = json.loads((unbroken / "training.json").read_text())
    assert record["data"]["rows.jsonl"]["rows"] == 64
    assert len(record["data"]["rows.jsonl"]["sha256"]) == 64
    assert record["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert (unbroken / "recipe.yaml").read_text() == toy_recipe(toy).text()
    checkpoints = sorted(path.name for path in (unbroken / "checkpoints").iterdir())
    assert checkpoints == ["checkpoint-12", "checkpoint-8"]
    assert same(weights(unbroken), weights(unbroken / "checkpoints/checkpoint-12"))
    assert any(value.abs().sum() for name, value in weights(unbroken).items() if "lora_B" in name)


def test_passes_and_devices_split_a_step_without_changing_it(toy, tmp_path):
    plain = ("neftune=0", "lora.dropout=0", "steps=3")
    whole = train(toy_recipe(toy, *plain, "pass_tokens=10000"), tmp_path / "whole")
    parts = train(toy_recipe(toy, *plain, "pass_tokens=1"), tmp_path / "parts")
    found, expected = weights(parts), weights(whole)
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-4)


def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(toy, unbroken, tmp_path):
    (tmp_path / "recipe.yaml").write_text(toy_text(toy))
    output = tmp_path / "out"
    command = [sys.executable, "-m", "training", str(tmp_path / "recipe.yaml")]
    # Slowed down to one step a save, so that the signal comes in the middle.
    run = subprocess.Popen(
        [*command, "--output", str(output), "save_every=1"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while run.poll() is None and not (output / "checkpoints/checkpoint-5/rng_state.pth").exists():
        time.sleep(0.001)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert not (output / "checkpoints/checkpoint-12").exists()
    train(toy_recipe(toy), output)
    assert same(weights(output), weights(unbroken))


@pytest.mark.parametrize("damage", ["cut", "unsealed"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(toy, unbroken, tmp_path, caplog, damage):
    import shutil

    output = shutil.copytree(unbroken, tmp_path / "out")
    last = output / "checkpoints/checkpoint-12"
    if damage == "cut":
        (last / "optimizer.pt").write_bytes((last / "optimizer.pt").read_bytes()[:100])
    else:
        (last / "manifest.json").unlink()
    train(toy_recipe(toy), output)
    assert "checkpoint-12 is passed over" in caplog.text
    assert same(weights(output), weights(unbroken))


def test_a_finished_run_stays_as_it_is(toy, unbroken):
    before = weights(unbroken)
    train(toy_recipe(toy), unbroken)
    assert same(weights(unbroken), before)


def test_another_recipe_or_other_data_are_refused(toy, unbroken, tmp_path):
    with pytest.raises(TrainingError, match=r"learning_rate: 0.003, the recipe has 0.1"):
        train(toy_recipe(toy, "learning_rate=0.1"), unbroken)
    lines = (toy / "rows.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rows.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(TrainingError, match="other data"):
        train(toy_recipe(toy, f"data_folder={tmp_path}"), unbroken)


@pytest.mark.parametrize(
    "objective", ["language_modelling", "joint", "importance_aware", "weighted_ranknet"]
)
def test_every_kind_of_objective_trains(toy, tmp_path, objective):
    output = train(toy_recipe(toy, f"objective={objective}", "steps=2"), tmp_path)
    assert any(value.abs().sum() for name, value in weights(output).items() if "lora_B" in name)


def test_training_goes_on_from_another_adapter(toy, unbroken, tmp_path):
    more = ("steps=1", "learning_rate=1e-12", f"lora.start={unbroken}")
    output = train(toy_recipe(toy, *more), tmp_path / "more")
    for name, value in weights(unbroken).items():
        torch.testing.assert_close(weights(output)[name], value, atol=1e-6, rtol=1e-5)
    with pytest.raises(TrainingError, match="cannot be loaded"):
        train(toy_recipe(toy, *more, "lora.rank=2"), tmp_path / "other")
    with pytest.raises(SettingsError, match="is an adapter"):
        train(toy_recipe(toy, f"model={unbroken}"), tmp_path / "other")


def test_a_loss_that_is_no_number_stops_the_run(toy, tmp_path):
    with pytest.raises(TrainingError, match="NaN or infinite at step"):
        train(toy_recipe(toy, "learning_rate=1e29", "clip=0", "warmup=0"), tmp_path)


def test_a_disk_that_is_full_is_told(toy, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match=r"No space left on device.*free some space"):
        train(toy_recipe(toy), tmp_path)


def test_data_without_a_row_is_told(toy, tmp_path):
    (tmp_path / "rows.jsonl").write_text("")
    with pytest.raises(DataError, match="it is empty"):
        train(toy_recipe(toy, f"data_folder={tmp_path}"), tmp_path / "out")


def test_identifiers_that_the_tokenizer_does_not_have_are_told(toy, tmp_path):
    with pytest.raises(SettingsError, match=r"9999 were asked for, and the tokenizer has \d+"):
        train(toy_recipe(toy, "identifiers=9999"), tmp_path)
