"""Between two adapters: `python -m training.interpolate FORMER LATER --share 0.6 --output FOLDER`.

What an adapter is trained on moves it towards that and away from all else. Weights between those
that it began with and those that it ended with often rank both better (WiSE-FT, arXiv 2109.01903;
model soups, arXiv 2203.05482). It holds for two points of one training, LATER begun at FORMER
(`lora.start`), and not for adapters that never met.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from reranker.adapter import CONFIG, WEIGHTS
from reranker.cache import sha256_of
from reranker.cli.terminal import run_app
from reranker.errors import DataError
from reranker.pretrained import read_json
from reranker.settings import FILE_NAME as SETTINGS
from training.recipe import FILE_NAME as RECIPE
from training.record import FILE_NAME as RECORD
from training.result import adapter_weights

if TYPE_CHECKING:
    from torch import Tensor

KEPT = (CONFIG, SETTINGS, RECIPE)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def interpolate(
    former: Annotated[Path, typer.Argument(help="The adapter that the later one began at.")],
    later: Annotated[Path, typer.Argument(help="A run's folder; its settings are kept.")],
    output: Annotated[Path, typer.Option(help="Folder to write; there must be none yet.")],
    share: Annotated[float, typer.Option(help="How far to go to the later one.", min=0, max=1)],
) -> None:
    """Write the adapter that lies between two."""
    write(former, later, share, output)
    Console().print(f"{output}: {1 - share:g} of {former} and {share:g} of {later}")


def write(former: Path, later: Path, share: float, output: Path) -> None:
    """Write the adapter whose weights are `(1 - share)` of one's and `share` of the other's.

    Raises:
        DataError: for folders without adapters, or with such as differ in more than values, and
            for an output that is there.
    """
    from safetensors.torch import save_file

    if output.exists():
        raise DataError(f"{output} is there already; name a folder that is not, or remove it")

    weights = between(adapter_weights(former), adapter_weights(later), share)
    record = {
        **read_json(later / RECORD),
        "interpolated": {"former": sha256_of(former / WEIGHTS), "share": share},
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as temporary:
        made = Path(temporary) / output.name
        made.mkdir()
        for name in KEPT:
            shutil.copy(later / name, made)
        save_file(weights, made / WEIGHTS)
        (made / RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        made.rename(output)


def between(
    former: dict[str, "Tensor"], later: dict[str, "Tensor"], share: float
) -> dict[str, "Tensor"]:
    """Each weight between two, in float32.

    Raises:
        DataError: where one has weights, or shapes, that the other has not.
    """
    shapes = [{name: w.shape for name, w in weights.items()} for weights in (former, later)]
    if unlike := sorted(dict(shapes[0].items() ^ shapes[1].items())):
        raise DataError(
            f"the adapters have {len(unlike)} weights that are not in both or differ in shape, "
            f"the first {unlike[0]}; interpolate two points of one training: the same rank and "
            "targets, the later begun at the former with lora.start"
        )
    return {
        name: ((1 - share) * former[name].float() + share * later[name].float()).contiguous()
        for name in later
    }


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
