import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from reranker import Reranker
from reranker.errors import DataError
from tests.training.toy import toy_folder, toy_recipe
from training.export import app, write
from training.job import train
from training.recipe import Recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = toy_folder(tmp_path_factory.mktemp("toy"))
    return train(toy_recipe(folder, "steps=4"), folder / "run")


def test_an_exported_adapter_ranks_as_the_run_does(run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("card")
    result = CliRunner().invoke(app, [str(run), "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "README.md").read_text() == "card"
    assert "data_folder: .\n" in (tmp_path / "out" / "recipe.yaml").read_text()
    size = (tmp_path / "out" / "adapter_model.safetensors").stat().st_size
    assert size < 0.6 * (run / "adapter_model.safetensors").stat().st_size
    expected, found = (
        Reranker(folder).rank("which 1", ["yes", "no", "no way"])
        for folder in (run, tmp_path / "out")
    )
    assert [r.score for r in found] == pytest.approx([r.score for r in expected], abs=1e-2)


def test_what_is_no_adapter_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no adapter"):
        write(tmp_path, tmp_path / "out")
    shutil.copytree(run, tmp_path / "large", ignore=shutil.ignore_patterns("checkpoints"))
    weights = load_file(run / "adapter_model.safetensors")
    name = next(iter(weights))
    weights[name] = torch.full_like(weights[name], 1e6)
    save_file(weights, tmp_path / "large" / "adapter_model.safetensors")
    with pytest.raises(DataError, match="half precision cannot hold"):
        write(tmp_path / "large", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_paths_of_one_machine_do_not_ship(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "next", ignore=shutil.ignore_patterns("checkpoints"))
    recipe = Recipe.read(run / "recipe.yaml", [f"lora.start={run}"])
    (tmp_path / "next" / "recipe.yaml").write_text(recipe.text())
    write(tmp_path / "next", tmp_path / "out")
    shipped = (tmp_path / "out" / "recipe.yaml").read_text()
    assert str(run.parent) not in shipped.replace(f"model: {run.parent}/base", "")
    assert f"start: {run.name}\n" in shipped
