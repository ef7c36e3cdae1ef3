"""Ways to train side by side: `python -m benchmarks.ablation RECIPE.yaml --output FOLDER`.

Every objective, or every variant of the recipe, trains on the same windows, for the same steps,
once with each seed, and ranks the dev sets with the weights of its last step. A cell, one of
them with one seed, is a training job in a folder of its own: the same command passes over finished
cells and goes on with the one that was broken off. Writes `ablation.json` and `README.md` into the
folder.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.markup import escape

from benchmarks.ablation.report import FILE_NAME, Ablation, Values, markdown
from benchmarks.command import command_line
from benchmarks.work import digest
from data.measures import ndcg
from reranker.cli.terminal import run_app
from reranker.errors import SettingsError
from reranker.files import write_atomically
from training.dev import DevQuery, DevSet, dev_sets
from training.recipe import Recipe

OBJECTIVES = (
    "language_modelling",
    "ranknet",
    "weighted_ranknet",
    "lambdarank",
    "ndcg_loss2pp",
    "listmle",
    "softmax_cross_entropy",
    "joint",
)
CELLS, TRAINED, MEASURED = "cells", "trained", "ndcg.json"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Cell:
    """One way to train, with one seed."""

    label: str
    recipe: Recipe

    @property
    def folder(self) -> str:
        """The cell's folder among the others."""
        safe = "".join(sign if sign.isalnum() or sign in "._" else "-" for sign in self.label)
        return f"{safe}-seed{self.recipe.seed}"

    def trained(self) -> Recipe:
        """What is carried out: judged at the end alone, so that the last weights are kept."""
        return replace(self.recipe, dev=())


@app.command()
def ablation(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="All but the objective.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of cells and results.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[key=value]...", help="In place of the recipe's, as steps=50."),
    ] = None,
    objectives: Annotated[
        list[str] | None,
        typer.Option(
            "--objective", help=f"The first is what others are held against. {list(OBJECTIVES)}"
        ),
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            "--variant", help="In place of objectives: 'key=value key=value' of the recipe."
        ),
    ] = None,
    seeds: Annotated[list[int] | None, typer.Option("--seed", help="Repeatable. [0, 1]")] = None,
) -> None:
    """Compare objectives, or other keys of a recipe: same data, same steps, several seeds."""
    if objectives and variants:
        raise SettingsError("give --objective or --variant; a variant may name its objective")
    base = Recipe.read(recipe, overrides or ())
    if variants:
        entrants = {
            text: Recipe.read(recipe, [*(overrides or ()), *text.split()]) for text in variants
        }
    else:
        entrants = by_objective(base, objectives or OBJECTIVES)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    found = conduct(base, entrants, seeds or (0, 1), output)
    write(found, output)
    console.print(f"written to {escape(str(output))}")


def by_objective(base: Recipe, objectives: Sequence[str]) -> dict[str, Recipe]:
    """The recipe with each objective, a name or YAML with its parameters, by the latter in words.

    Raises:
        SettingsError: for an objective that there is not.
    """
    parsed = [yaml.safe_load(text) for text in objectives]
    return {_in_words(one): replace(base, objective=one) for one in parsed}


def conduct(
    base: Recipe, entrants: Mapping[str, Recipe], seeds: Sequence[int], output: Path
) -> Ablation:
    """Train every entrant with every seed and measure it, as far as that is not done yet.

    Raises:
        SettingsError: for a base without a dev set.
        RerankerError: as `training.job.train` does.
    """
    if not base.dev:
        raise SettingsError(
            "an ablation needs a dev set; give the recipe one, see docs/training.md"
        )
    dev = dev_sets(base)
    found: dict[str, dict[int, Values]] = {label: {} for label in entrants}
    # Seed by seed, so that what is broken off has all entrants of its first seeds.
    for seed in dict.fromkeys(seeds):
        for label, recipe in entrants.items():
            cell = Cell(label, replace(recipe, seed=seed))
            found[label][seed] = _measured(cell, dev, output / CELLS)
    command = command_line("ablation")
    return Ablation(command, base.text(), found, {one.name: _as_given(one) for one in dev})


def write(found: Ablation, folder: Path) -> None:
    """Write what was found as JSON and Markdown."""
    write_atomically(folder / FILE_NAME, json.dumps(asdict(found), indent=1) + "\n")
    write_atomically(folder / "README.md", markdown(found))


def _measured(cell: Cell, dev: Sequence[DevSet], folder: Path) -> Values:
    """The cell's nDCG@10 by dev set and query; it is trained first if it has not been."""
    folder, recipe = folder / cell.folder, cell.trained()
    # What its figures depend on; a cell of another recipe is refused by the job itself.
    key = digest([recipe.text(), *(asdict(one) for one in dev)])
    if (known := _known(folder / MEASURED, key)) is not None:
        console.print(f"{escape(cell.folder)}: done before")
        return known
    from training.job import train

    trained = train(recipe, folder / TRAINED)
    values = {one.name: _rank(trained, recipe, one) for one in dev}
    write_atomically(folder / MEASURED, json.dumps({"key": key, "ndcg@10": values}) + "\n")
    means = ", ".join(f"{name} {sum(v) / len(v):.4f}" for name, v in values.items())
    console.print(f"{escape(cell.folder)}: {escape(means)}")
    return values


def _known(path: Path, key: str) -> Values | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    values: Values = found["ndcg@10"]
    return values if found.get("key") == key else None


def _rank(trained: Path, recipe: Recipe, dev: DevSet) -> list[float]:
    """nDCG@10 of each query of a dev set, by the trained reranker."""
    from reranker import Reranker

    reranker = Reranker(trained, dtype=recipe.dtype, device=recipe.device)
    rankings = reranker.rank_many(
        [query.text for query in dev.queries], [query.passages for query in dev.queries]
    )
    return [
        _ndcg(query, [passage.index for passage in ranking])
        for query, ranking in zip(dev.queries, rankings, strict=True)
    ]


def _as_given(dev: DevSet) -> list[float]:
    """nDCG@10 of each query in first-stage order."""
    return [_ndcg(query, range(len(query.passages))) for query in dev.queries]


def _ndcg(query: DevQuery, order: Sequence[int]) -> float:
    return ndcg([query.grades[place] for place in order], query.judged)


def _in_words(objective: str | Mapping[str, object]) -> str:
    if isinstance(objective, str):
        return objective
    parameters = [f"{key}={value}" for key, value in objective.items() if key != "name"]
    return " ".join([str(objective["name"]), *parameters])


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
