from pathlib import Path

import pytest
from typer.testing import CliRunner

from reranker.errors import SettingsError
from tests.training.toy import toy_text
from training.__main__ import app
from training.recipe import Recipe

RECIPES = Path(__file__).parents[2] / "training" / "recipes"


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_a_recipe_is_carried_out(toy, tmp_path):
    (tmp_path / "recipe.yaml").write_text(toy_text(toy))
    output = tmp_path / "out"
    result = run(tmp_path / "recipe.yaml", "--output", output, "steps=1", "lora.rank=2")
    assert result.exit_code == 0, result.output
    assert f"trained: {output}" in result.output
    written = Recipe.read(output / "recipe.yaml")
    assert written.steps == 1
    assert written.lora is not None
    assert written.lora.rank == 2


def test_a_wrong_recipe_is_an_error(tmp_path):
    assert isinstance(run(tmp_path / "absent", "-o", tmp_path).exception, SettingsError)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_of_the_project_can_be_read(path):
    recipe = Recipe.read(path, ["data_folder=/data"])
    assert recipe.settings().layout == "suffix"
    assert recipe.window.most <= recipe.settings().window
    assert "Expected cost" in path.read_text()
