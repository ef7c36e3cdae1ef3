"""Speed, as ratios side by side: `python -m benchmarks.speed [--quick]`.

One forward pass against the bare model and against generation, packing against padding, lockstep
against one query after another. Writes `speed.json`, `README.md` and `speed.png` into a folder.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from benchmarks.command import command_line
from reranker.cli.terminal import run_app
from reranker.files import write_atomically

if TYPE_CHECKING:
    from benchmarks.race import Result
    from benchmarks.speed.contestants import Contestants
    from benchmarks.speed.report import SpeedReport
    from benchmarks.workload import Workload

RESULTS = Path("benchmarks/results/speed")
_QUICK_ROUNDS = 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command()
def speed(
    model: Annotated[str, typer.Option(help="A model's name or folder, or 'default'.")] = "default",
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
    rounds: Annotated[
        int, typer.Option(help="Turns of each side; overhead has thrice as many.", min=1)
    ] = 5,
    quick: Annotated[
        bool, typer.Option("--quick", help=f"Small windows, at most {_QUICK_ROUNDS} rounds.")
    ] = False,
    device: Annotated[
        list[str] | None, typer.Option(help="cpu, cuda, …; repeatable. [cpu, and cuda if there]")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
) -> None:
    """Measure the ratios of times that the design rests on."""
    report = measure(
        model,
        rounds=min(rounds, _QUICK_ROUNDS) if quick else rounds,
        quick=quick,
        devices=device or None,
        dtype=dtype,
    )
    write(report, output)
    _show(report, output)


def measure(
    model: str,
    *,
    rounds: int,
    quick: bool = False,
    devices: Sequence[str] | None = None,
    dtype: str | None = None,
) -> "SpeedReport":
    """Hold all races on every device, one device after another.

    Raises:
        ModelError: for a model that cannot be loaded.
        SettingsError: for a device or dtype that is not to be had.
        EngineError: where the engine's logits are not the plain model's.
    """
    import torch

    from benchmarks.speed.contestants import contestants
    from benchmarks.speed.report import SpeedReport, load_average
    from benchmarks.workload import FULL, QUICK

    before, workload = load_average(), QUICK if quick else FULL
    results: list[Result] = []
    settings: dict[str, object] = {}
    for device in devices or _devices():
        runners = contestants(model, workload, device=device, dtype=dtype)
        settings = settings or _settings(runners)
        results += _races(runners, workload, rounds)
    return SpeedReport(
        command=command_line("speed"),
        model=Path(model).name if Path(model).is_dir() else model,
        rounds=rounds,
        workload=workload,
        quick=quick,
        results=results,
        threads=torch.get_num_threads(),
        load_average=before,
        settings=settings,
    )


def write(report: "SpeedReport", folder: Path) -> None:
    """Write a report as JSON, Markdown and a plot."""
    from benchmarks.speed.report import markdown, plot

    text = json.dumps(report.to_dict(), indent=1, default=str, ensure_ascii=False)
    write_atomically(folder / "speed.json", text + "\n")
    write_atomically(folder / "README.md", markdown(report))
    plot(report, folder / "speed.png")


def _races(runners: "Contestants", workload: "Workload", rounds: int) -> "Iterator[Result]":
    """Hold every race in turn; each is told as soon as it is over."""
    from benchmarks.race import hold
    from benchmarks.speed.races import RACES

    device = runners.device.type
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"races on {device}", total=len(RACES))
        for prepare in RACES:
            name = prepare.__name__.replace("_", " ")
            progress.update(task, description=f"{name} on {device}")
            result = hold(prepare, runners, workload, rounds, partial(progress.advance, task))
            console.print(f"{escape(result.name)} ({device}): {result.times.ratio:.3f}")
            yield result


def _devices() -> list[str]:
    import torch

    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _settings(runners: "Contestants") -> dict[str, object]:
    """The settings in force, a template by its presence alone."""
    found = asdict(runners.reranker.settings)
    found["template"] = bool(found["template"])
    return {"dtype": str(runners.dtype).removeprefix("torch."), **found}


def _show(report: "SpeedReport", folder: Path) -> None:
    from benchmarks.speed.report import HEADER, line

    table = Table(*HEADER, title=f"ratios of times, {escape(report.model)}")
    for result in report.results:
        table.add_row(*map(escape, line(result)))
    console.print(table)
    console.print(f"written to {escape(str(folder))}")


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
