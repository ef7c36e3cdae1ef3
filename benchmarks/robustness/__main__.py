"""Robustness: `python -m benchmarks.robustness NAME --collection msmarco-dl19 …`.

What does a ranking depend on that it should not? The candidates' order, the identifiers, how much
is read of a passage, near-duplicates, and passages written to be ranked first; those are ranked
without the defence as well, and by BM25. Writes `results.json`, `README.md` and plots into
`benchmarks/results/NAME/`. Long runs go on where they stopped: see `benchmarks.work`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.command import command_line
from benchmarks.experiment import sampled
from benchmarks.metrics import RELEVANT_FROM
from benchmarks.models import DEFAULT, measured_rerankers
from benchmarks.quality import RESULTS, kept_as, parse_settings
from benchmarks.reranking import MeasuredReranker
from benchmarks.robustness.attacks import verbatim
from benchmarks.robustness.findings import Agreement
from benchmarks.robustness.report import Findings, RobustnessReport, markdown, plot
from benchmarks.robustness.sections import (
    FEW_ORDERS,
    Load,
    adversaries,
    deals,
    duplicates,
    identifiers,
    lengths,
    orders,
    ours,
    parts,
    variant,
)
from benchmarks.robustness.trials import Bench
from data.collections import load
from data.first_stage import EXPECTED, retrieve
from reranker.cli.terminal import run_app
from reranker.files import write_atomically

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command()
def robustness(
    name: Annotated[str, typer.Argument(help="Name of the results' folder.")],
    collection: Annotated[list[str], typer.Option(help="Collection; repeatable.")],
    model: Annotated[str, typer.Option(help="A model of this project, or 'default'.")] = DEFAULT,
    first_stage: Annotated[str, typer.Option(help=f"{EXPECTED}.")] = "bm25",
    depth: Annotated[int, typer.Option(help="Candidates a query.", min=8)] = 20,
    queries: Annotated[int | None, typer.Option(help="A sample of the queries.", min=1)] = None,
    targets: Annotated[int, typer.Option(help="Passages attacked a query.", min=1)] = 2,
    setting: Annotated[
        list[str] | None, typer.Option(help="A setting to override, NAME=VALUE, e.g. window=10.")
    ] = None,
    cache: Annotated[
        float | None,
        typer.Option(metavar="GIB", help="Memory to keep passages in (cross, blocks).", min=0),
    ] = None,
    stored: Annotated[str | None, typer.Option(help="How they are kept. [float16]")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, …")] = None,
    split: Annotated[
        str | None, typer.Option(help="Which judgments; test where there are.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Rankings at a time.", min=1)] = 8,
    plots: Annotated[bool, typer.Option(help="Draw plots.")] = True,
) -> None:
    """Measure what a ranking depends on that it should not."""
    overrides = parse_settings(setting or [])
    reload = partial(
        _measured,
        model,
        overrides,
        dtype=dtype,
        device=device,
        memory=int((cache or 0) * 2**30),
        stored=kept_as(cache, [stored] if stored else []),
    )
    measured = reload({})
    found = []
    try:
        for one in collection:
            judged = sampled(load(one, split), queries)
            bench = Bench.of(judged, retrieve(judged, first_stage, depth), batch=batch)
            found.append(findings(bench, measured, reload, first_stage, depth, targets))
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command goes on from here")
        raise typer.Exit(130) from None
    report = RobustnessReport(name, command_line("robustness"), measured.settings, found)
    write(report, RESULTS / name, plots=plots)
    console.print(f"written to {escape(str(RESULTS / name))}")


def findings(
    bench: Bench,
    measured: MeasuredReranker,
    reload: Load,
    first_stage: str,
    depth: int,
    targets: int,
) -> Findings:
    """Every section over one collection."""
    relevant_from = RELEVANT_FROM.get(bench.collection.name, 1)
    lettered, passed = identifiers(bench, measured, reload)
    return Findings(
        collection=bench.collection.name,
        first_stage=Path(first_stage).name,
        depth=depth,
        queries=len(bench.candidates),
        agreements={
            **_orders(bench, measured),
            "Identifiers": lettered,
            **_deals(bench, measured),
            "Tokens read of a passage": lengths(bench, measured),
            "Parts of the score": parts(bench, measured),
        },
        passed=passed,
        duplicates=duplicates(bench, measured, relevant_from),
        attacks=adversaries(bench, measured, targets),
        verbatim=verbatim(bench),
    )


def _orders(bench: Bench, measured: MeasuredReranker) -> dict[str, list[Agreement]]:
    """With the weight that the first stage's order has, and without any."""
    prior = ours(measured).settings.prior
    found = {f"Order of the candidates, prior {prior:g}": orders(bench, measured)}
    if prior:
        unweighed = variant(measured, prior=0)
        found["Order of the candidates, prior 0"] = orders(bench, unweighed, FEW_ORDERS)
    return found


def _deals(bench: Bench, measured: MeasuredReranker) -> dict[str, list[Agreement]]:
    found = deals(bench, measured)
    return {"Deals of the same identifiers": found} if found else {}


def _measured(
    model: str, overrides: Mapping[str, object], more: Mapping[str, object], **options: object
) -> MeasuredReranker:
    [measured] = measured_rerankers([model], [], {**overrides, **more}, **options)  # type: ignore[arg-type]
    return measured


def write(report: RobustnessReport, folder: Path, *, plots: bool = True) -> None:
    """Write a report as JSON, Markdown and plots."""
    text = json.dumps(asdict(report), indent=1, default=str, ensure_ascii=False)
    write_atomically(folder / "results.json", text + "\n")
    write_atomically(folder / "README.md", markdown(report))
    if plots:
        plot(report, folder)


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
