import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.ablation.__main__ import app, by_objective
from benchmarks.ablation.report import ALL, Ablation, against_baseline, joined, markdown, read
from reranker.errors import DataError, SettingsError
from tests.training.toy import toy_folder, toy_recipe, toy_text
from training.recipe import Recipe

DEV = "dev=[{name: toy, rows: rows.jsonl, depth: 4, queries: 8}]"
SHORT = ("steps=2", "batch=2", "save_every=1", DEV)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = toy_folder(tmp_path_factory.mktemp("toy"))
    (folder / "recipe.yaml").write_text(toy_text(folder))
    return folder


def run(toy: Path, output: Path, *more: str) -> str:
    arguments = [str(toy / "recipe.yaml"), "--output", str(output), *SHORT]
    objectives = ["--objective", "joint", "--objective", "{name: lambdarank, k: 2}"]
    result = CliRunner().invoke(
        app, [*arguments, *objectives, "--seed", "3", "--seed", "4", *more], catch_exceptions=False
    )
    assert result.exit_code == 0
    return result.output


@pytest.fixture(scope="module")
def done(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("ablation")
    assert "done before" not in run(toy, output)
    return output


def test_every_objective_is_trained_with_every_seed_and_measured_query_by_query(
    done: Path,
) -> None:
    cells = {path.name for path in (done / "cells").iterdir()}
    names = ("joint", "lambdarank-k-2")
    assert cells == {f"{name}-seed{seed}" for name in names for seed in (3, 4)}
    recipe = Recipe.read(done / "cells/lambdarank-k-2-seed4/trained/recipe.yaml")
    assert recipe.objective == {"name": "lambdarank", "k": 2}
    assert (recipe.seed, recipe.steps, recipe.dev) == (4, 2, ())
    found = json.loads((done / "ablation.json").read_text())
    assert list(found["values"]) == ["joint", "lambdarank k=2"]
    values = found["values"]["joint"]["3"]["toy"]
    assert len(values) == len(found["first_stage"]["toy"]) == 8
    assert all(0 < value <= 1 for value in values)
    text = (done / "README.md").read_text()
    assert markdown(read(done)) == text
    assert "## toy, 8 queries" in text
    assert "| joint |" in text
    assert "| lambdarank k=2 |" in text


def test_finished_cells_are_passed_over_and_others_gone_on_with(toy: Path, done: Path) -> None:
    before = json.loads((done / "ablation.json").read_text())["values"]
    measured = done / "cells/joint-seed4/ndcg.json"
    measured.unlink()
    weights = done / "cells/joint-seed3/trained/adapter_model.safetensors"
    written = weights.stat().st_mtime_ns
    told = run(toy, done)
    assert told.count("done before") == 3
    assert measured.is_file()
    assert weights.stat().st_mtime_ns == written
    assert json.loads((done / "ablation.json").read_text())["values"] == before


def test_figures_of_another_dev_set_are_measured_again(
    toy: Path, done: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(done, tmp_path / "copy")
    told = run(toy, output, DEV.replace("queries: 8", "queries: 5"))
    assert "done before" not in told
    assert "## toy, 5 queries" in (output / "README.md").read_text()


def test_variants_of_a_recipe_are_trained_like_objectives(toy: Path, tmp_path: Path) -> None:
    arguments = [str(toy / "recipe.yaml"), "--output", str(tmp_path), *SHORT, "--seed", "1"]
    variants = ("learning_rate=1e-3", "lora.rank=2 reranker.layout=blocks")
    given = [text for variant in variants for text in ("--variant", variant)]
    assert CliRunner().invoke(app, [*arguments, *given], catch_exceptions=False).exit_code == 0
    recipes = {
        path.parents[1].name: Recipe.read(path)
        for path in tmp_path.glob("cells/*/trained/recipe.yaml")
    }
    assert set(recipes) == {
        "learning_rate-1e-3-seed1",
        "lora.rank-2-reranker.layout-blocks-seed1",
    }
    other = recipes["lora.rank-2-reranker.layout-blocks-seed1"]
    assert other.lora is not None
    assert (other.lora.rank, other.settings().layout) == (2, "blocks")
    assert list(json.loads((tmp_path / "ablation.json").read_text())["values"]) == [*variants]


def test_what_cannot_be_compared_is_told_before_anything_is_trained(
    toy: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="unknown objective 'hinge'"):
        by_objective(toy_recipe(toy), ["ranknet", "hinge"])
    for more, told in (
        (["dev=[]"], "needs a dev set"),
        ([DEV, "--variant", "steps=3", "--objective", "joint"], "--objective or --variant"),
        ([DEV, "--variant", "step=3"], "step"),
    ):
        arguments = [str(toy / "recipe.yaml"), "--output", str(tmp_path / "out"), *more]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code != 0
        assert told in str(result.exception)
    assert not list(tmp_path.iterdir())


def by_hand() -> Ablation:
    """Two seeds, two dev sets of 6 and 1 queries: b is above a by 0.2 everywhere, c nowhere."""
    base = {"x": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "y": [0.5]}

    def moved(by: float) -> dict[str, list[float]]:
        return {name: [value + by for value in values] for name, values in base.items()}

    values = {
        "a": {0: moved(-0.1), 1: moved(0.1)},
        "b": {0: moved(0.1), 1: moved(0.3)},
        "c": {0: moved(0.1), 1: moved(-0.1)},
    }
    recipe = Recipe.parse("data: [{path: rows.jsonl}]").text()
    return Ablation("python -m benchmarks.ablation", recipe, values, base)


def test_queries_are_averaged_over_seeds_and_held_against_the_first_objective() -> None:
    found = by_hand()
    assert found.over_seeds("b", "y") == pytest.approx([0.7])
    assert found.over_seeds("a", ALL) == pytest.approx([*found.first_stage["x"], 0.5])
    better, same = against_baseline(found, "x")
    assert (better.second, same.second) == ("b", "c")
    assert better.difference == pytest.approx(0.2)
    # All six queries go one way: 2 of 64 signs are as far, and Holm doubles it.
    assert better.p_value == pytest.approx(2 / 64)
    assert better.adjusted == pytest.approx(4 / 64)
    # Seven do so together: 2 of 128.
    assert against_baseline(found, ALL)[0].adjusted == pytest.approx(4 / 128)
    assert same.difference == pytest.approx(0)
    assert same.adjusted == 1


def test_the_report_says_what_is_sure_and_what_is_not() -> None:
    text = markdown(by_hand())
    one, together = text.split(f"## {ALL}")
    assert "3 ways to train, seeds 0, 1, 1000 steps of 16 windows." in one
    assert "Significantly better than a: none." in one
    assert "Not significantly different from a: b, c." in one
    assert "Of all 3 pairs, 3 are not told apart." in one
    assert "Significantly better than a: b." in together
    assert "Not significantly different from a: c." in together
    assert "| 0.4500 | 0.6500 | +0.2000 | 0.062 | 2 of 2 |" in one
    assert "| 0.4500 | 0.2500 | +0.0000 | 1.000 | 1 of 2 |" in one
    assert "| first stage | 0.3500 [" in one


def part(entrants: str, *seeds: int) -> Ablation:
    """What a run of these entrants and seeds alone would have found."""
    found = by_hand()
    values = {name: {seed: found.values[name][seed] for seed in seeds} for name in entrants}
    return replace(found, values=values)


def test_ablations_of_one_recipe_are_joined() -> None:
    whole = joined([part("ab", 0), part("c", 0, 1), part("ba", 1), part("a", 1)])
    assert whole.values == by_hand().values
    assert whole.seeds == [0, 1]
    assert next(iter(whole.values)) == "a"
    # Seeds that not all have are left out of the comparison, not of the data.
    assert joined([part("ab", 0), part("c", 0, 1)]).seeds == [0]
    elsewhere = replace(
        part("c", 0, 1), recipe=Recipe.parse(by_hand().recipe, ["data_folder=elsewhere"]).text()
    )
    assert joined([part("ab", 0, 1), elsewhere]).values == by_hand().values


def test_what_does_not_go_together_is_not_joined() -> None:
    other = Recipe.parse(by_hand().recipe, ["steps=7"]).text()
    with pytest.raises(DataError, match="another recipe, or other dev queries"):
        joined([part("a", 0), replace(part("b", 0), recipe=other)])
    with pytest.raises(DataError, match="another recipe, or other dev queries"):
        joined([part("a", 0), replace(part("b", 0), first_stage={"x": [0.1]})])
    changed = replace(part("a", 0), values={"a": {0: by_hand().values["b"][0]}})
    with pytest.raises(DataError, match="a has two results of seed 0"):
        joined([part("a", 0), changed])
