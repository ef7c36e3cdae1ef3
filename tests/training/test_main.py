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
    objective = recipe.parsed_objective()
    assert objective.ranking is not None
    assert recipe.window.most <= min(recipe.settings().window, recipe.identifiers)
    assert recipe.passage_tokens.most <= recipe.settings().passage_tokens
    assert "Expected cost" in path.read_text()
    assert f"training/recipes/{path.name}" in path.read_text()


def test_what_a_recipe_says_can_be_put_in_place_can_be():
    smaller = "fsdp=false lora={rank: 64, alpha: 128} learning_rate=1e-4 pass_tokens=3072"
    text = (RECIPES / "first-7b.yaml").read_text()
    assert smaller.replace("{", "'{").replace("}", "}'") in text
    overrides = smaller.replace(", ", ",").replace(": ", ":~").split()
    recipe = Recipe.parse(text, [override.replace("~", " ") for override in overrides])
    assert recipe.lora is not None
    assert recipe.lora.rank == 64
    paper = Recipe.read(RECIPES / "full-ranking-100.yaml", ["objective=importance_aware"])
    assert paper.parsed_objective().ranking is None
