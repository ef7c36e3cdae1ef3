"""A job on a local Ray cluster of two CPU workers."""

import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from reranker.errors import DataError, MissingExtraError, SettingsError
from tests.training.toy import toy_recipe
from training.cluster import _check_shared, train_on_ray
from training.errors import TrainingError
from training.job import train

# Ray and what it imports warn of themselves.
pytestmark = pytest.mark.filterwarnings("ignore")
# What differs between processes by design, noise and dropout, left out.
EXACT = ("neftune=0", "lora.dropout=0", "steps=4", "save_every=2")


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=3, log_to_driver=False)
    yield
    ray.shutdown()


def weights(folder):
    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.slow
def test_two_workers_end_with_the_weights_of_one_process_and_resume(toy, tmp_path, cluster):
    recipe, output = toy_recipe(toy, *EXACT), tmp_path / "ray"
    assert train_on_ray(recipe, output, 2) == output
    expected = weights(train(recipe, tmp_path / "one"))
    for name, value in weights(output).items():
        torch.testing.assert_close(value, expected[name], atol=2e-6, rtol=1e-4)
    # Each worker keeps its own random state: there were two.
    last = output / "checkpoints/checkpoint-4"
    assert len(list(last.glob("rng_state_*.pth"))) == 2
    before = weights(last)
    (last / "manifest.json").unlink()
    train_on_ray(recipe, output, 2)
    assert all(torch.equal(value, before[name]) for name, value in weights(last).items())


@pytest.mark.slow
def test_what_stops_a_worker_is_told_as_it_is(toy, tmp_path, cluster):
    with pytest.raises(DataError, match=r"absent.jsonl cannot be read"):
        train_on_ray(toy_recipe(toy, "data.0.path=absent.jsonl"), tmp_path, 2)


def test_an_output_that_is_not_shared_is_told(tmp_path):
    with pytest.raises(TrainingError, match="storage that all nodes share"):
        _check_shared(tmp_path, "token")


def test_a_path_that_each_worker_reads_another_way_is_told(toy, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.chdir(toy)
    with pytest.raises(SettingsError, match=rf"model: base is a path .*give {toy}/base"):
        train_on_ray(replace(toy_recipe(toy), model="base"), tmp_path, 2)


def test_ray_that_is_not_installed_is_told(toy, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reranker\[train\]'"):
        train_on_ray(toy_recipe(toy), tmp_path, 2)
