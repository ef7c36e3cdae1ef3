"""Layouts and kept passages, how long they take: `python -m benchmarks.blocks NAME`.

Sliding windows and one window of a plain layout, `set`, and `blocks` with passages cold, kept in
memory, in int8 and on disk, over the same passages in turns: by their number and their length.
Writes `blocks.json`, `README.md` and `blocks.png` into `benchmarks/results/NAME/` after every
round, and goes on where it stopped.
"""

import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.command import command_line
from reranker.cli.options import one_of
from reranker.cli.terminal import run_app
from reranker.errors import InputError

if TYPE_CHECKING:
    from benchmarks.blocks.contest import Contest, Round
    from benchmarks.blocks.entrants import Cell
    from benchmarks.blocks.report import BlocksReport
    from reranker.reranker import Reranker

RESULTS = Path("benchmarks/results")
PACKAGES = ("reranker", "torch", "transformers", "lmdb")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command()
def blocks(
    name: Annotated[str, typer.Argument(help="Name of the results' folder.")],
    model: Annotated[str, typer.Option(help="A model's name or folder, or 'default'.")] = "default",
    rounds: Annotated[int, typer.Option(help="Turns of each entrant.", min=1)] = 3,
    sizes: Annotated[str, typer.Option(help="Passages.")] = "10,20,50,100,200,500,1000",
    lengths: Annotated[str, typer.Option(help="Tokens of each.")] = "25,50,100,200",
    layout: Annotated[
        str, typer.Option(help="What keeps passages.", callback=one_of(("blocks", "cross")))
    ] = "blocks",
    against: Annotated[
        str,
        typer.Option(help="The plain layout.", callback=one_of(("listwise", "suffix"))),
    ] = "listwise",
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, …")] = None,
    memory: Annotated[
        float, typer.Option(metavar="GIB", help="Memory for all kept passages.", min=0)
    ] = 6,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget the rounds that are done.")
    ] = False,
) -> None:
    """Time the layouts side by side, over numbers and lengths of passages."""
    from benchmarks.blocks.entrants import Cell
    from benchmarks.blocks.report import FILE, read

    cells = [Cell(*pair) for pair in product(numbers(sizes), numbers(lengths))]
    base, configuration = prepare(model, layout, against, dtype=dtype, device=device)
    folder = RESULTS / name
    if fresh:
        (folder / FILE).unlink(missing_ok=True)
    report = read(name, configuration, folder)
    try:
        conduct(report, base, cells, rounds, folder, memory=int(memory * 2**30))
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command goes on from here")
        raise typer.Exit(130) from None
    console.print(f"written to {escape(str(folder))}")


def numbers(text: str) -> list[int]:
    """Read whole numbers of at least 1, with commas between.

    Raises:
        InputError: for anything else.
    """
    found = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in found):
        raise InputError(f"expected whole numbers with commas between, found {text!r}")
    return list(dict.fromkeys(map(int, found)))


def prepare(
    model: str,
    layout: str,
    against: str,
    *,
    dtype: str | None = None,
    device: str | None = None,
) -> "tuple[Reranker, dict[str, object]]":
    """A reranker that can keep passages, and what tells its times from others'.

    Raises:
        ModelError: for a model that cannot be loaded.
    """
    import torch

    from benchmarks.models import DEFAULT, weights
    from benchmarks.report import machine, versions
    from benchmarks.speed.report import processor
    from reranker import Reranker, load
    from reranker.passage_cache import PassageCache

    checkpoint = load(None if model == DEFAULT else model, dtype=dtype, device=device)
    told = weights(checkpoint)
    base = Reranker(checkpoint, layout=layout, cache=PassageCache())
    label = Path(model).name if Path(model).is_dir() else model
    return base, {
        "model": label,
        **told,
        "layout": layout,
        "against": against,
        "identifiers": len(base.identifiers),
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "processor": processor(),
        **versions(PACKAGES),
    }


def conduct(
    report: "BlocksReport",
    base: "Reranker",
    cells: "Sequence[Cell]",
    rounds: int,
    folder: Path,
    *,
    memory: int,
) -> "BlocksReport":
    """Run the rounds that are not done yet, writing the report after each."""
    from benchmarks.blocks.contest import Contest
    from benchmarks.blocks.plots import plot

    against = str(report.configuration["against"])
    with tempfile.TemporaryDirectory(prefix="reranker-kept-") as kept:
        for cell in cells:
            todo = [number for number in range(rounds) if not report.has(cell, number)]
            if not todo:
                continue
            contest = Contest(base, cell, against=against, folder=Path(kept), memory=memory)
            apart = contest.prepare(exact=0 in todo)
            for number in todo:
                one = contest.round(number, command_line("blocks"), apart if number == 0 else None)
                report = report.added(one)
                report.write(folder)
                _show(contest, one)
            plot(report, folder)
    return report


def _show(contest: "Contest", one: "Round") -> None:
    times = ", ".join(f"{name} {1000 * seconds:,.0f}" for name, seconds in one.seconds.items())
    console.print(f"{contest.cell}, round {one.number + 1}: {times} ms")


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
