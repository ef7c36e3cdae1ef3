"""Decoding, side by side: `python -m benchmarks.decoding NAME --collection nfcorpus …`.

The same model over the same sliding windows, ranking in three ways: by the first token's logits, by
a permutation generated greedily, and by one whose form is forced (`decoding.generation`).
Query by query they take turns. Writes `results.json`, `README.md` and plots into
`benchmarks/results/NAME/`; a run that was stopped goes on where it was.
"""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.command import command_line
from benchmarks.experiment import Plan
from benchmarks.metrics import NDCG
from benchmarks.quality import RESULTS, parse_settings
from benchmarks.tables import interval
from data.first_stage import EXPECTED
from reranker.cli.terminal import run_app
from reranker.embedded import EMBEDDED_NAME
from reranker.errors import InputError

if TYPE_CHECKING:
    from benchmarks.decoding.report import DecodingReport
    from reranker.checkpoint import Checkpoint

# The embedded model's own layout reads passages apart; this one asks for a permutation in words.
EMBEDDED_LAYOUT = "listwise"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command()
def decoding(
    name: Annotated[str, typer.Argument(help="Name of the results' folder.")],
    collection: Annotated[list[str], typer.Option(help="Collection; repeatable.")],
    windows: Annotated[
        list[int] | None,
        typer.Option(help="Passages a window, its stride half of it; repeatable. [20]", min=2),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model that can do both. [embedded, without adapter]")
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help="In place of a model, random weights of this shape: 7b.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="A setting to override, e.g. layout=suffix.")
    ] = None,
    first_stage: Annotated[str, typer.Option(help=f"{EXPECTED}.")] = "bm25",
    split: Annotated[
        str | None, typer.Option(help="Which judgments; test where there are.")
    ] = None,
    depth: Annotated[int, typer.Option(help="Candidates a query.", min=2)] = 40,
    queries: Annotated[int | None, typer.Option(help="A sample of the queries.", min=1)] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, …")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Rank finished queries again.")] = False,
) -> None:
    """Compare the first token's logits with permutations that are generated."""
    plan = Plan(RESULTS / name, depth=depth, split=split, queries=queries, fresh=fresh)
    settings = parse_settings(setting or [])
    if not shape and model in (None, EMBEDDED_NAME) and "template" not in settings:
        settings = {"layout": EMBEDDED_LAYOUT, **settings}
    from benchmarks.decoding.contest import conduct, prepare
    from benchmarks.decoding.report import DecodingReport, write
    from benchmarks.speed.report import load_average

    before = load_average()
    checkpoint = opened(model, shape, dtype=dtype, device=device)
    contest = prepare(checkpoint, list(dict.fromkeys(windows or [20])), settings)
    try:
        found = [one for each in collection for one in conduct(plan, each, first_stage, contest)]
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command goes on from here")
        raise typer.Exit(130) from None
    report = DecodingReport(name, command_line("decoding"), contest.settings, found, before)
    write(report, plan.results)
    _show(report)
    console.print(f"written to {escape(str(plan.results))}")


def opened(
    model: str | None, shape: str | None, *, dtype: str | None = None, device: str | None = None
) -> "Checkpoint":
    """The model, or random weights of that shape; the embedded model where neither is given.

    Raises:
        InputError: for both.
        ModelError: for a model that cannot be loaded.
    """
    from benchmarks.decoding.shapes import random_checkpoint
    from benchmarks.models import DEFAULT
    from reranker.checkpoint import load

    if model and shape:
        raise InputError("--model and --shape are two models; give one of them")
    if shape:
        return random_checkpoint(shape, dtype=dtype, device=device)
    named = None if model == DEFAULT else model or EMBEDDED_NAME
    return load(named, dtype=dtype, device=device)


def _show(report: "DecodingReport") -> None:
    table = Table("collection", "window", "ranked by", NDCG, "seconds", "ratio")
    for one in report.experiments:
        for row in one.experiment.rows[1:]:
            spent = one.spending[row.label]
            costs = f"{spent.seconds.mean:.3g}", f"{spent.times_first.mean:.2f}"
            quality = escape(interval(row.measures[NDCG]))
            table.add_row(
                escape(one.experiment.collection), str(one.window), row.label, quality, *costs
            )
    console.print(table)


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
