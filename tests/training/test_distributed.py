"""Two processes on one machine, over gloo: data parallel, and cut up by FSDP."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reranker.errors import SettingsError
from tests.training.toy import toy_recipe, toy_text
from training.job import train

ROOT = Path(__file__).parents[2]
# What differs between processes by design, noise and dropout, left out. At the last step one
# process has three passes to make and the other four.
EXACT = ("neftune=0", "lora.dropout=0", "batch=8", "steps=4", "save_every=2", "pass_tokens=60")


def torchrun(toy: Path, output: Path, *overrides: str) -> None:
    recipe = output.with_suffix(".yaml")
    recipe.write_text(toy_text(toy))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "training", str(recipe), "--output", str(output), *overrides]
    run = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-4000:]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    [path] = folder.glob("*.safetensors")
    return load_file(path)


def check_same(found: Path, expected: Path) -> None:
    one, other = weights(found), weights(expected)
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], atol=2e-6, rtol=1e-4)


HELD = (
    "reranker.layout=cross",
    "reranker.likelihood=0.5",
    "reference_kl=5",
    "likelihood_dropout=0.4",
    "pass_tokens=200",
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [(), HELD], ids=["plain", "held to a reference"])
def test_two_processes_end_with_the_weights_of_one(toy, tmp_path, kind):
    torchrun(toy, tmp_path / "two", *EXACT, *kind)
    check_same(tmp_path / "two", train(toy_recipe(toy, *EXACT, *kind), tmp_path / "one"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [("gradient_checkpointing=true",), ("lora=null", "objective=joint")], ids=" ".join
)
def test_a_sharded_run_ends_with_the_weights_of_one_process_and_resumes(toy, tmp_path, kind):
    dev = "dev=[{name: toy, rows: rows.jsonl, depth: 2, queries: 6}]"
    output, exact = tmp_path / "two", (*EXACT, *kind, dev)
    torchrun(toy, output, *exact, "fsdp=true")
    expected = train(toy_recipe(toy, *exact), tmp_path / "one")
    check_same(output, expected)
    assert {path.name for path in output.iterdir()} == {path.name for path in expected.iterdir()}
    # An optimizer state by name is one that was gathered from shards.
    last = output / "checkpoints/checkpoint-4"
    state = torch.load(last / "optimizer.pt", weights_only=True)["state"]
    assert all(name.startswith("base.") for name in state)
    before = weights(last)
    (last / "manifest.json").unlink()
    torchrun(toy, output, *exact, "fsdp=true")
    assert all(torch.equal(value, before[name]) for name, value in weights(last).items())


def test_what_cannot_be_sharded_is_told(toy, tmp_path):
    with pytest.raises(SettingsError, match=r"this run has one; start it with torchrun"):
        train(toy_recipe(toy, "fsdp=true"), tmp_path)
    with pytest.raises(SettingsError, match="does not train in float16"):
        train(toy_recipe(toy, "fsdp=true", "dtype=float16"), tmp_path)
