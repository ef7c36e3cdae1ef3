"""Relevance feedback: `python -m benchmarks.feedback NAME --collection … --dense-model …`.

A dense search; its best passages reranked; the queries moved towards what the reranker prefers
(`data.feedback`); a second search, and both fused. Writes `results.json`, `README.md` and
`recall.svg` into `benchmarks/results/NAME/`. Vectors and rerankings are kept, so that the same
command goes on where it stopped.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.command import DENSE_MODEL, command_line
from benchmarks.experiment import sampled
from benchmarks.metrics import RELEVANT_FROM
from benchmarks.orders import FIRST_STAGE
from benchmarks.quality import RESULTS, parse_settings
from benchmarks.report import RERANKING_PACKAGES, versions
from benchmarks.reranking import MeasuredReranker, as_run, rerank, tasks
from benchmarks.work import FOLDER, WorkFile
from data.collections import load
from data.measures import ndcg_of, recall
from reranker.cli.terminal import run_app
from reranker.collection import Collection
from reranker.files import write_atomically
from reranker.run import Run

if TYPE_CHECKING:
    from benchmarks.feedback.report import FeedbackReport, Searched
    from data.dense import Encoder
    from data.feedback import Feedback

DEFAULT = "default"
PLOT = "recall.svg"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@dataclass(frozen=True, slots=True)
class Plan:
    """How collections are searched: with what, and how many passages each search finds."""

    encoder: "Encoder"
    reranker: MeasuredReranker
    how: "Feedback"
    again: int
    queries: int | None
    batch: int
    fresh: bool


@app.command()
def feedback(
    name: Annotated[str, typer.Argument(help="Name of the results' folder.")],
    collection: Annotated[list[str], typer.Option(help="Collection; repeatable.")],
    dense_model: Annotated[
        str, typer.Option(help="A sentence-transformers model.", envvar=DENSE_MODEL)
    ],
    model: Annotated[str, typer.Option(help="A model to rerank with, or 'default'.")] = DEFAULT,
    setting: Annotated[
        list[str] | None, typer.Option(help="A setting to override, NAME=VALUE, e.g. prior=0.")
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="LOSS:RATE:STEPS; repeatable; else FIRST's.")
    ] = None,
    depth: Annotated[int, typer.Option(help="Passages reranked, and learned from.", min=1)] = 40,
    again: Annotated[int, typer.Option(help="Passages found by each search.", min=1)] = 1000,
    queries: Annotated[int | None, typer.Option(help="A sample of the queries.", min=1)] = None,
    dtype: Annotated[str | None, typer.Option(help="The reranker's: float32, bfloat16.")] = None,
    batch: Annotated[int, typer.Option(help="Queries ranked at a time.", min=1)] = 2,
    fresh: Annotated[bool, typer.Option("--fresh", help="Rank finished queries again.")] = False,
    plots: Annotated[bool, typer.Option(help="Draw a plot.")] = True,
) -> None:
    """Search, rerank, move the queries, search again: nDCG and recall before and after."""
    from benchmarks.feedback.report import FeedbackReport, changes
    from benchmarks.kept_vectors import KeptVectors
    from benchmarks.models import measured_rerankers
    from data.dense import SentenceEncoder
    from data.feedback import FIRST, Feedback, Stage

    how = Feedback(tuple(map(Stage.parse, stage or [])) or FIRST, depth)
    encoder = KeptVectors(SentenceEncoder(dense_model))
    [reranker] = measured_rerankers([model], [], parse_settings(setting or []), dtype=dtype)
    plan = Plan(encoder, reranker, how, again, queries, batch, fresh)
    try:
        found = [search(plan, sampled(load(one), queries)) for one in collection]
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command goes on from here")
        raise typer.Exit(130) from None
    stages = " ".join(map(str, how.stages))
    searches = {"dense": Path(dense_model).name, "depth": depth, "again": again, "stages": stages}
    told = {**searches, **reranker.settings}
    report = FeedbackReport(name, command_line("feedback"), told, found, changes(found))
    write(report, RESULTS / name, plots=plots)
    console.print(f"written to {escape(str(RESULTS / name))}")


def search(plan: Plan, collection: Collection) -> "Searched":
    """Search a collection, rerank, search it again, and measure every run."""
    from benchmarks.feedback.report import DENSE, FEEDBACK, FUSED, RERANKED, Searched
    from data.dense import Dense
    from data.feedback import feed_back
    from data.fusion import fuse

    dense = Dense(collection.passages, encoder=plan.encoder)
    first = dense.search(collection.queries, depth=max(plan.again, plan.how.depth))
    taught = _reranked(plan, collection, first.top(plan.how.depth))
    second = feed_back(
        dense, collection.queries, taught, depth=plan.again, how=plan.how, progress=True
    )
    first = first.top(plan.again)
    runs = {
        DENSE: first,
        RERANKED: _followed(taught, first),
        FEEDBACK: second,
        FUSED: fuse([first, second]).top(plan.again),
    }
    level = RELEVANT_FROM.get(collection.name, 1)
    per_query = {run: _measured(found, collection, level) for run, found in runs.items()}
    return Searched(collection.name, len(collection.passages), level, per_query)


def _reranked(plan: Plan, collection: Collection, candidates: Run) -> Run:
    """The candidates by the reranker's scores; what the work file holds is not ranked again."""
    known = {"collection": collection.name, "versions": versions(RERANKING_PACKAGES)}
    settings = {**plan.reranker.settings, "batch": plan.batch, **known}
    work = WorkFile(f"{collection.name}-feedback-{plan.reranker.label}", settings, FOLDER)
    if plan.fresh:
        work.forget()
    todo = tasks(collection, candidates, FIRST_STAGE)
    outcomes = rerank(plan.reranker, todo, work, batch=plan.batch, order=FIRST_STAGE)
    return as_run("reranked", collection, outcomes)


def _followed(best: Run, rest: Run) -> Run:
    """A run's passages, and after them those of another that it lacks."""
    rankings = {
        query: [*found, *(line for line in rest.rankings[query] if line[0] not in dict(found))]
        for query, found in best.rankings.items()
    }
    return Run(best.name, rankings)


def _measured(run: Run, collection: Collection, level: int) -> Mapping[str, dict[str, float]]:
    """Every measure of every query."""
    from data.feedback_command import MEASURES

    ndcg, at_100, at_1000 = MEASURES
    ranked = {query: (run.ids(query), collection.qrels[query]) for query in collection.queries}
    return {
        ndcg: {query: ndcg_of(*pair) for query, pair in ranked.items()},
        at_100: {q: recall(*pair, 100, relevant_from=level) for q, pair in ranked.items()},
        at_1000: {q: recall(*pair, 1000, relevant_from=level) for q, pair in ranked.items()},
    }


def write(report: "FeedbackReport", folder: Path, *, plots: bool = True) -> None:
    """Write a report as JSON, Markdown and a plot."""
    from benchmarks.feedback.report import markdown, plot

    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False, default=str)
    write_atomically(folder / "results.json", text + "\n")
    write_atomically(folder / "README.md", markdown(report))
    if plots:
        plot(report, folder / PLOT)


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
