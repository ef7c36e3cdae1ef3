"""Absolute scores: `python -m benchmarks.absolute NAME --collection COLLECTION --model FOLDER`.

Are a model's scores comparable between requests? Every query's candidates are ranked in separate
requests and the rankings merged by score, beside one request for all; and over all queries it is
measured how well scores tell relevant passages from the rest, and how well probabilities are
calibrated. Writes `results.json` and `README.md` into the results' folder.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from tqdm import tqdm

from benchmarks.absolute.calibration import auc, calibration_error, merged
from benchmarks.command import command_line
from benchmarks.experiment import sampled
from benchmarks.metrics import RELEVANT_FROM
from benchmarks.models import DEFAULT
from benchmarks.quality import RESULTS
from benchmarks.report import machine
from benchmarks.statistics import Interval, bootstrap, randomisation_test
from benchmarks.tables import interval, p_value, table
from data.collections import load
from data.first_stage import EXPECTED, retrieve
from data.measures import ndcg_of
from reranker.cli.terminal import run_app
from reranker.collection import Collection
from reranker.errors import InputError
from reranker.files import write_atomically
from reranker.run import Run

if TYPE_CHECKING:
    from reranker.reranker import Reranker

METHOD = (
    "AUC: the chance that a relevant candidate of any query scores above another of any query. "
    "Calibration error: of the probabilities, over ten bins. Merged and one request: nDCG@10 of "
    "rankings of separate requests put together by score, and of one request for all candidates, "
    "with 95 % bootstrap intervals; p of their difference by a paired randomisation test."
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@dataclass(frozen=True, slots=True)
class Ranked:
    """One query: nDCG@10 of its parts merged and of one request; scores and judgments of parts."""

    merged: float
    whole: float
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    relevant: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the queries of one collection say of a model's scores."""

    collection: str
    queries: int
    auc: float
    calibration_error: float
    merged: Interval
    whole: Interval
    p_value: float


@app.command()
def absolute(
    name: Annotated[str, typer.Argument(help="Name of the results' folder.")],
    collection: Annotated[list[str], typer.Option(help="Collection; repeatable.")],
    model: Annotated[str, typer.Option(help="A model trained for absolute scores.")] = DEFAULT,
    first_stage: Annotated[str, typer.Option(help=f"{EXPECTED}.")] = "bm25",
    depth: Annotated[int, typer.Option(help="Candidates a query.", min=2)] = 96,
    request: Annotated[int, typer.Option(help="Candidates a request.", min=2)] = 32,
    queries: Annotated[int | None, typer.Option(help="A sample of the queries.", min=1)] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
) -> None:
    """Measure whether scores of separate requests can be compared."""
    from reranker.reranker import Reranker

    reranker = Reranker(None if model == DEFAULT else model, dtype=dtype, prior=0)
    if not reranker.settings.absolute:
        raise InputError(
            f"{model} was not trained for absolute scores; its recipe needs a weight: absolute: 0.2"
        )
    found = []
    for one in collection:
        judged = sampled(load(one), queries)
        run = retrieve(judged, first_stage, depth)
        found.append(findings(judged.name, list(_ranked(reranker, judged, run, request))))
    write(found, RESULTS / name, facts={"model": model, "depth": depth, "request": request})
    console.print(f"written to {escape(str(RESULTS / name))}")


def findings(collection: str, ranked: Sequence[Ranked]) -> Findings:
    """What the queries say together."""
    relevant = [label for query in ranked for label in query.relevant]
    merged_, whole = [q.merged for q in ranked], [q.whole for q in ranked]
    return Findings(
        collection=collection,
        queries=len(ranked),
        auc=auc([score for query in ranked for score in query.scores], relevant),
        calibration_error=calibration_error(
            [chance for query in ranked for chance in query.probabilities], relevant
        ),
        merged=bootstrap(merged_),
        whole=bootstrap(whole),
        p_value=randomisation_test(whole, merged_),
    )


def _ranked(
    reranker: "Reranker", collection: Collection, run: Run, request: int
) -> Iterator[Ranked]:
    least = RELEVANT_FROM.get(collection.name, 1)
    for query, text in tqdm(collection.queries.items(), unit=" queries", disable=None):
        ids, grades = run.ids(query), collection.qrels.get(query, {})
        if not ids:
            continue
        passages = [collection.passages[id_] for id_ in ids]
        parts = [
            reranker.rank(text, passages[start : start + request])
            for start in range(0, len(ids), request)
        ]
        entries = [p for part in parts for p in part]
        order = merged([[(p.id, p.score) for p in part] for part in parts])
        whole = [p.id for p in reranker.rank(text, passages)]
        yield Ranked(
            merged=ndcg_of(order, grades),
            whole=ndcg_of(whole, grades),
            scores=tuple(p.score for p in entries),
            probabilities=tuple(p.relevance or 0.0 for p in entries),
            relevant=tuple(grades.get(p.id, 0) >= least for p in entries),
        )


def write(found: Sequence[Findings], folder: Path, *, facts: dict[str, object]) -> None:
    """Write findings as JSON and Markdown."""
    command = command_line("absolute")
    where = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
    values = {"command": command, **where, **facts, "collections": [asdict(one) for one in found]}
    write_atomically(folder / "results.json", json.dumps(values, indent=1) + "\n")
    write_atomically(folder / "README.md", markdown(found, command, facts))


def markdown(found: Sequence[Findings], command: str, facts: dict[str, object]) -> str:
    """The report as text."""
    rows = [
        (
            one.collection,
            str(one.queries),
            f"{one.auc:.3f}",
            f"{one.calibration_error:.3f}",
            interval(one.merged),
            interval(one.whole),
            p_value(one.p_value),
        )
        for one in found
    ]
    head = ("collection", "queries", "AUC", "calibration error", "merged", "one request", "p")
    told = ", ".join(f"{name} {value}" for name, value in facts.items())
    heading = f"# Absolute scores\n\n```\n{command}\n```\n\n"
    when = f"{datetime.now(UTC):%Y-%m-%d}; {machine()}; {told}.\n\n"
    return f"{heading}{when}{METHOD}\n\n{table(head, rows)}\n"


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
