"""An adapter made ready to ship: `python -m training.export RUN --output FOLDER`.

Its weights in half precision, which is half the download, and everything that says what it is;
nothing that only training needs.
"""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from reranker.adapter import WEIGHTS
from reranker.cli.terminal import run_app
from reranker.errors import DataError
from training.recipe import FILE_NAME, Recipe
from training.result import adapter_weights

KEPT = ("adapter_config.json", "reranker.json", "training.json")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run's folder, or one of its checkpoints.")],
    output: Annotated[Path, typer.Option(help="Folder to write; what it holds is replaced.")],
) -> None:
    """Write a trained adapter as it ships; a README.md in the folder stays."""
    worst = write(run, output)
    Console().print(f"{output}: {worst:.1e} off at most, relative to each weight's largest value")


def write(run: Path, output: Path) -> float:
    """Export an adapter.

    Returns:
        The largest error of a weight, relative to the largest value of its matrix.

    Raises:
        DataError: for a folder without an adapter, or weights that half precision cannot hold.
    """
    from safetensors.torch import save_file

    weights = adapter_weights(run)
    halves = {name: weight.to(torch.float16).contiguous() for name, weight in weights.items()}
    worst = max(_off(weight, halves[name]) for name, weight in weights.items())
    if not worst < 1e-2:
        raise DataError(f"{run}: half precision cannot hold the weights, which it puts {worst} off")
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".export-") as temporary:
        save_file(halves, Path(temporary) / WEIGHTS)
        for name in KEPT:
            shutil.copy(run / name, temporary)
        # Where things lay on one machine is of no use on another.
        recipe = Recipe.read(run / FILE_NAME, ["data_folder=."])
        if recipe.lora is not None and recipe.lora.start is not None:
            lora = replace(recipe.lora, start=Path(recipe.lora.start).name)
            recipe = replace(recipe, lora=lora)
        Path(temporary, FILE_NAME).write_text(recipe.text(), encoding="utf-8")
        for path in Path(temporary).iterdir():
            path.chmod(0o644)
            path.replace(output / path.name)
    return worst


def _off(weight: torch.Tensor, half: torch.Tensor) -> float:
    largest = weight.abs().max().clamp_min(1e-30)
    return float((half.float() - weight.float()).abs().max() / largest)


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
