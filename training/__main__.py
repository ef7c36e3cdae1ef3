"""The command line: `python -m training RECIPE.yaml --output FOLDER [key=value ...]`."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from reranker.cli.terminal import run_app
from training.recipe import Recipe

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="What to train, and how.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the result; a run in it goes on.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[key=value]...", help="In place of the recipe's, as lora.rank=32."),
    ] = None,
    ray: Annotated[
        int | None,
        typer.Option(metavar="WORKERS", help="Train on a Ray cluster, a process each.", min=1),
    ] = None,
) -> None:
    """Train a listwise reranker; the folder then loads as Reranker(FOLDER)."""
    read = Recipe.read(recipe, overrides or ())
    _log_to(Console(stderr=True))
    folder = _train(read, output) if ray is None else _train_on_ray(read, output, ray)
    if _first():
        Console(highlight=False).print(f"trained: {escape(str(folder))}", soft_wrap=True)


def _train(recipe: Recipe, output: Path) -> Path:
    # Importing transformers takes seconds: a wrong recipe is told before.
    from training.job import train

    return train(recipe, output)


def _train_on_ray(recipe: Recipe, output: Path, workers: int) -> Path:
    from training.cluster import train_on_ray

    return train_on_ray(recipe, output, workers)


def _log_to(console: Console) -> None:
    handler = RichHandler(console=console, show_path=False, markup=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("training").setLevel(logging.INFO if _first() else logging.WARNING)


def _first() -> bool:
    """Whether this process is the one that speaks, of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
