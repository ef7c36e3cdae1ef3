"""A passage cache on disk at size: `python -m benchmarks.store [NAME]`.

Fills a folder with 100,000 short passages as `reranker index` does, opens it again in another
process and ranks random candidates out of it, with memory for a part of them alone. The model is
a tiny one made by hand: what is looked at is the store. Writes `store.json` and `README.md` into
`benchmarks/results/NAME/`.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.command import command_line
from benchmarks.race import Limit
from benchmarks.report import machine, versions
from benchmarks.speed.report import processor
from benchmarks.store.phases import Filled, Opened, Store, fill, rank
from benchmarks.tables import table
from reranker.cli.options import one_of
from reranker.cli.terminal import run_app
from reranker.files import write_atomically
from reranker.settings import STORED

RESULTS = Path("benchmarks/results")
PACKAGES = ("reranker", "torch", "transformers", "lmdb")
METHOD = (
    "One process keeps all passages, 64 in each write, and ends; a second one opens the folder and "
    "ranks candidates drawn at random. Passages are of 4 to 12 tokens, and each token takes 256 "
    "values. Memory is what the second process's own memory grew by after its first query "
    "(`RssAnon`). Of the file, the system maps as many pages as it has room for, and takes them "
    "back when it has none (`RssFile`)."
)
Result = TypeVar("Result")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What was found, and where, when and how."""

    command: str
    store: Store
    filled: Filled
    opened: Opened
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: Mapping[str, str] = field(default_factory=lambda: versions(PACKAGES))
    machine: str = field(default_factory=machine)
    processor: str = field(default_factory=processor)

    @property
    def verdicts(self) -> list[tuple[str, float, Limit]]:
        """What is required: name, value, limit."""
        budget = self.store.memory / 2**20
        return [
            ("passages found again", self.opened.entries, Limit(self.store.passages)),
            ("passages computed again", self.opened.computed, Limit(0, at_most=True)),
            ("damaged", self.opened.damaged, Limit(0, at_most=True)),
            ("MiB counted by the cache", self.opened.counted, Limit(budget, at_most=True)),
            ("MiB of memory grown by", self.opened.grown, Limit(budget, at_most=True)),
        ]


@app.command()
def store(
    name: Annotated[str, typer.Argument(help="Name of the results' folder.")] = "store",
    passages: Annotated[int, typer.Option(help="Passages kept.", min=1)] = 100_000,
    queries: Annotated[int, typer.Option(help="Queries ranked.", min=2)] = 300,
    candidates: Annotated[int, typer.Option(help="Candidates a query.", min=1)] = 100,
    memory: Annotated[float, typer.Option(metavar="MIB", help="Memory for passages.", min=0)] = 64,
    stored: Annotated[
        str, typer.Option(help=f"{', '.join(STORED)}.", callback=one_of(STORED))
    ] = "float16",
    folder: Annotated[
        Path | None, typer.Option(help="Where a folder for it is made. [the system's]")
    ] = None,
) -> None:
    """Fill a folder of kept passages, open it again and rank from it."""
    with tempfile.TemporaryDirectory(prefix="reranker-store-", dir=folder) as made:
        plan = Store(made, passages, queries, candidates, int(memory * 2**20), stored)
        filled = _apart(fill, plan)
        opened = _apart(rank, plan)
    report = StoreReport(command_line("store"), plan, filled, opened)
    write(report, RESULTS / name)
    console.print(_verdicts(report))
    console.print(f"written to {escape(str(RESULTS / name))}")


def write(report: StoreReport, folder: Path) -> None:
    """Write a report as JSON and Markdown."""
    # The folder is gone, and its name says nothing.
    found = asdict(report)
    del found["store"]["folder"]
    write_atomically(folder / "store.json", json.dumps(found, indent=1) + "\n")
    write_atomically(folder / "README.md", markdown(report))


def markdown(report: StoreReport) -> str:
    """The whole report."""
    packages = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    plan, filled, opened = report.store, report.filled, report.opened
    rows = [
        ["passages a second, filling", f"{plan.passages / filled.seconds:,.0f}"],
        ["size of the file, MiB", f"{filled.file:,.0f}"],
        ["of it, bytes a passage", f"{filled.file * 2**20 / plan.passages:,.0f}"],
        ["memory grown by while filling, MiB", f"{filled.grown:,.1f}"],
        ["opening it again, ms", f"{opened.opening:,.1f}"],
        [f"a query of {plan.candidates} candidates, ms (median)", f"{opened.milliseconds:,.1f}"],
        ["share of candidates in memory", f"{opened.in_memory:.0%}"],
        ["pages of the file mapped, MiB", f"{opened.mapped:,.0f}"],
    ]
    parts = [
        "# Kept passages on disk",
        f"```\n{report.command}\n```",
        f"{report.date}; {report.machine}; {report.processor}; {packages}.",
        METHOD,
        f"{plan.passages:,} passages in {plan.stored}, {plan.queries} queries, "
        f"{plan.memory / 2**20:g} MiB of memory for passages.",
        _verdicts(report),
        table(["", "found"], rows),
    ]
    return "\n\n".join(parts) + "\n"


def _verdicts(report: StoreReport) -> str:
    rows = [
        [name, f"{value:,.1f}", str(limit), limit.verdict(value)]
        for name, value, limit in report.verdicts
    ]
    return table(["", "found", "required", ""], rows)


def _apart(work: Callable[[Store], Result], plan: Store) -> Result:
    """What a new process makes of it: nothing of another phase is left in its memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, plan).result()


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
