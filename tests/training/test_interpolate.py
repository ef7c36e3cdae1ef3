import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from reranker import Reranker
from reranker.errors import DataError
from tests.training.toy import toy_folder, toy_recipe
from training.interpolate import app, between, write
from training.job import train

WEIGHTS = "adapter_model.safetensors"
PASSAGES = ["yes", "no", "no way"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and one that began at its end."""
    folder = toy_folder(tmp_path_factory.mktemp("toy"))
    former = train(toy_recipe(folder, "steps=3"), folder / "former")
    start = f"lora.start={former}"
    return former, train(toy_recipe(folder, "steps=3", "seed=1", start), folder / "later")


def scores(folder: Path) -> list[float]:
    return [ranked.score for ranked in Reranker(folder, dtype="float32").rank("which 1", PASSAGES)]


@pytest.mark.parametrize(("share", "end"), [(0.0, 0), (1.0, 1)])
def test_either_end_is_one_of_the_two(
    runs: tuple[Path, Path], tmp_path: Path, share: float, end: int
) -> None:
    write(*runs, share, tmp_path / "out")
    assert scores(tmp_path / "out") == pytest.approx(scores(runs[end]), rel=2e-7, abs=1e-6)


def test_the_command_writes_what_lies_between(runs: tuple[Path, Path], tmp_path: Path) -> None:
    told = [*map(str, runs), "--share", "0.25", "--output", str(tmp_path / "made" / "out")]
    result = CliRunner().invoke(app, told)
    assert result.exit_code == 0, result.output
    former, later, found = (
        load_file(folder / WEIGHTS) for folder in (*runs, tmp_path / "made" / "out")
    )
    for name, weight in found.items():
        torch.testing.assert_close(weight, torch.lerp(former[name], later[name], 0.25))
    assert any((former[name] != later[name]).any() for name in found)
    record = json.loads((tmp_path / "made" / "out" / "training.json").read_text())
    assert record["interpolated"]["share"] == 0.25
    assert record["step"] == 3
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["out"]


def test_adapters_that_are_no_points_of_one_training_are_refused(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    one, two = {"a": torch.zeros(2), "b": torch.zeros(3)}, {"a": torch.zeros(2)}
    with pytest.raises(DataError, match=r"1 weights that are not in both or differ in shape.*b"):
        between(one, two, 0.5)
    with pytest.raises(DataError, match="the first a; interpolate"):
        between({"a": torch.zeros(2, 4)}, {"a": torch.zeros(4, 2)}, 0.5)
    with pytest.raises(DataError, match="holds no adapter of a run"):
        write(tmp_path, runs[1], 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_that_is_there_is_written_over(runs: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="is there already"):
        write(*runs, 0.5, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_broken_run_leaves_nothing_behind(runs: tuple[Path, Path], tmp_path: Path) -> None:
    later = tmp_path / "later"
    shutil.copytree(runs[1], later, ignore=shutil.ignore_patterns("checkpoints"))
    weights = load_file(later / WEIGHTS)
    name = next(iter(weights))
    save_file({**weights, name: weights[name][:1]}, later / WEIGHTS)
    with pytest.raises(DataError, match="differ in shape"):
        write(runs[0], later, 0.5, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["later"]
