"""Ranking quality, side by side: `python -m benchmarks.quality NAME --collection nfcorpus …`.

Every collection, under every first stage, with every reranker: this project's models, and other
people's run files. Writes `results.json`, `README.md`, runs and plots into
`benchmarks/results/NAME/`. Long runs go on where they stopped: see `benchmarks.work`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.command import command_line
from benchmarks.experiment import Plan, RunFile, conduct
from benchmarks.metrics import MEASURES, NDCG
from benchmarks.published import check
from benchmarks.report import Report
from benchmarks.tables import interval, markdown
from data.first_stage import EXPECTED
from reranker.cli.terminal import run_app
from reranker.errors import InputError
from reranker.files import write_atomically
from reranker.settings import STORED

RESULTS = Path("benchmarks/results")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command()
def quality(
    name: Annotated[str | None, typer.Argument(help="Name of the results' folder.")] = None,
    collection: Annotated[list[str] | None, typer.Option(help="Collection; repeatable.")] = None,
    first_stage: Annotated[
        list[str] | None, typer.Option(help=f"{EXPECTED}; repeatable. [bm25]")
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(help="A run to compare, [COLLECTION:]LABEL=PATH; repeatable."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A model to rerank with, or 'default'; repeatable.")
    ] = None,
    strategy: Annotated[
        list[str] | None, typer.Option(help="sliding, full or partition; repeatable.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="A setting to override, NAME=VALUE, e.g. window=10.")
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(help="Settings side by side, 'NAME=VALUE NAME=VALUE'; repeatable."),
    ] = None,
    cache: Annotated[
        float | None,
        typer.Option(metavar="GIB", help="Memory to keep passages in (cross, blocks).", min=0),
    ] = None,
    stored: Annotated[
        list[str] | None,
        typer.Option(help=f"How they are kept, {', '.join(STORED)}; repeatable. [float16]"),
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, …")] = None,
    split: Annotated[
        str | None, typer.Option(help="Which judgments; test where there are.")
    ] = None,
    depth: Annotated[int, typer.Option(help="Candidates a query.", min=1)] = 100,
    queries: Annotated[int | None, typer.Option(help="A sample of the queries.", min=1)] = None,
    batch: Annotated[int, typer.Option(help="Queries ranked at a time.", min=1)] = 8,
    relevant_from: Annotated[
        int | None, typer.Option(help="Least grade that counts for MRR and recall.", min=1)
    ] = None,
    orders: Annotated[bool, typer.Option("--orders", help="Measure order sensitivity.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Rank finished queries again.")] = False,
    plots: Annotated[bool, typer.Option(help="Draw plots.")] = True,
    check_published: Annotated[
        Path | None, typer.Option(help="Score a folder of published runs, assert, and stop.")
    ] = None,
) -> None:
    """Measure ranking quality: collections x first stages x rerankers."""
    if check_published is not None:
        _check_published(check_published)
        return
    if name is None or not collection:
        raise typer.BadParameter("give NAME and at least one --collection, or --check-published")
    plan = Plan(
        results=RESULTS / name,
        depth=depth,
        split=split,
        queries=queries,
        batch=batch,
        orders=orders,
        fresh=fresh,
        relevant_from=relevant_from,
    )
    files = [parse_run(text, collection) for text in run or []]
    from benchmarks.models import measured_rerankers

    rerankers = measured_rerankers(
        model or [],
        strategy or [],
        parse_settings(setting or []),
        dtype=dtype,
        device=device,
        memory=int((cache or 0) * 2**30),
        stored=kept_as(cache, stored or []),
        variants=parse_variants(variant or [], strategy or []),
    )
    try:
        experiments = [
            conduct(plan, one, stage, files, rerankers)
            for one in collection
            for stage in first_stage or ["bm25"]
        ]
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command goes on from here")
        raise typer.Exit(130) from None
    report = Report(name, command_line("quality"), experiments)
    write(report, plan.results, plots=plots)
    _show(report, plan.results)


def parse_run(text: str, collections: Sequence[str]) -> RunFile:
    """Read `LABEL=PATH` or `COLLECTION:LABEL=PATH`.

    Raises:
        InputError: for another form, a file that is not there, or a collection left open.
    """
    left, equals, path = text.partition("=")
    collection, colon, label = left.rpartition(":")
    if not equals or not label:
        raise InputError(f"--run {text!r} is not [COLLECTION:]LABEL=PATH")
    if not Path(path).is_file():
        raise InputError(f"--run {text!r}: there is no file {path!r}")
    if colon and collection not in collections:
        raise InputError(f"--run {text!r}: {collection!r} is not among --collection {collections}")
    if not colon and len(collections) > 1:
        raise InputError(f"--run {text!r}: with several collections say COLLECTION:LABEL=PATH")
    return RunFile(label, Path(path), collection or None)


def parse_settings(texts: Sequence[str]) -> Mapping[str, object]:
    """Read `NAME=VALUE` pairs; a number is read as one.

    Raises:
        InputError: for a pair without a sign, or a setting that there is not.
    """
    from reranker.settings import Settings

    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in Settings.__dataclass_fields__:
            known = ", ".join(Settings.__dataclass_fields__)
            raise InputError(f"--setting {text!r} is not NAME=VALUE with NAME among {known}")
        found[name] = _value(value)
    return found


def parse_variants(
    texts: Sequence[str], strategies: Sequence[str]
) -> dict[str, Mapping[str, object]]:
    """Read settings that are measured side by side, each labelled by its own text.

    Raises:
        InputError: for a setting that there is not, or for strategies beside variants.
    """
    if texts and strategies:
        raise InputError(
            f"--variant says all that differs, found --strategy {' '.join(strategies)} beside it; "
            "write it as --variant 'strategy=…'"
        )
    return {" ".join(text.split()): parse_settings(text.split()) for text in texts}


def _value(text: str) -> object:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def kept_as(cache: float | None, stored: Sequence[str]) -> Sequence[str]:
    """How passages are kept; not at all without a cache.

    Raises:
        InputError: for a way to keep passages, and no memory to keep them in.
    """
    if stored and cache is None:
        raise InputError(
            f"--stored {' '.join(stored)} says how passages are kept, and nothing keeps them; give "
            "them memory with --cache GIB"
        )
    return stored or ([] if cache is None else ["float16"])


def write(report: Report, folder: Path, *, plots: bool = True) -> None:
    """Write a report as JSON, Markdown and plots."""
    text = json.dumps(report.to_dict(), indent=1, default=str, ensure_ascii=False)
    write_atomically(folder / "results.json", text + "\n")
    write_atomically(folder / "README.md", markdown(report))
    if plots:
        from benchmarks.plots import plot

        plot(report, folder / "plots")


def _show(report: Report, folder: Path) -> None:
    for experiment in report.experiments:
        table = Table("run", *MEASURES, f"Δ {NDCG}", title=escape(experiment.title))
        first = experiment.rows[0].measures[NDCG].mean
        for row in experiment.rows:
            measures = [escape(interval(row.measures[measure])) for measure in MEASURES]
            table.add_row(escape(row.label), *measures, f"{row.measures[NDCG].mean - first:+.4f}")
        console.print(table)
    console.print(f"written to {escape(str(folder))}")


def _check_published(folder: Path) -> None:
    table = Table("run", "published", "found", title=NDCG)
    for figure, found in check(folder):
        table.add_row(Path(figure.path).name, f"{figure.ndcg:.4f}", f"{found:.4f}")
    console.print(table)


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
