"""docs/training.md names what there is, all of it, and nothing else."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.__main__ import app
from training.convert.conversion import Format
from training.objectives import LANGUAGE_LOSSES, RANKING_LOSSES, parameters_of
from training.recipe import Recipe

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"`([^`\n]+)`", TEXT))


def section(title: str) -> str:
    return re.split(r"\n##+ ", TEXT.partition(f" {title}\n")[2], maxsplit=1)[0]


def test_every_key_of_a_recipe_is_told():
    assert {field.name for field in fields(Recipe)} <= WORDS


def test_every_objective_is_told_with_its_parameters():
    cells = [line.split("|")[1:3] for line in section("Objectives").splitlines() if "| `" in line]
    told = {name.strip(" `"): re.findall(r"`(\w+)`", found) for name, found in cells}
    assert sorted(told.pop("joint")) == ["language", "ranking", "weight"]
    known = (*RANKING_LOSSES, *LANGUAGE_LOSSES)
    assert {name: set(found) for name, found in told.items()} == {
        name: set(parameters_of(name)) for name in known
    }


def test_every_recipe_and_converter_is_told():
    recipes = {path.name for path in (ROOT / "training" / "recipes").glob("*.yaml")}
    assert set(re.findall(r"`([\w-]+\.yaml)`", section("Recipes"))) == recipes
    assert all(kind.value in section("Rows") for kind in Format)


@pytest.mark.parametrize(
    "command", re.findall(r"\$ python -m training (training/recipes/(?:\\\n|[^\n])*)", TEXT)
)
def test_what_is_put_in_place_can_be(command):
    recipe, *words = shlex.split(re.sub(r"\\\n|#.*", " ", command))
    at = words.index("--output")
    Recipe.read(ROOT / recipe, words[:at] + words[at + 2 :])


def test_the_options_that_are_told_are_there():
    help_ = CliRunner().invoke(app, ["--help"], env={"TERM": "dumb", "COLUMNS": "200"}).output
    assert "--ray" in help_
    assert "--output" in help_
