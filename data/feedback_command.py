"""The command of relevance feedback: `python -m data feedback NAME`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from data.collections import load
from data.dense import DEFAULT_MODEL, Dense
from data.feedback import FIRST, Feedback, Stage, feed_back
from data.first_stage import from_file
from data.fusion import fuse
from data.measures import ndcg_of, recall
from reranker.collection import Collection
from reranker.errors import DataError
from reranker.reranker import Reranker
from reranker.run import Run, write_trec

MEASURES = ("nDCG@10", "Recall@100", "Recall@1000")

console = Console()


def feedback(
    name: Annotated[str, typer.Argument(help="A collection, as for search.")],
    split: Annotated[str | None, typer.Option(help="Which judgments to read.")] = None,
    dense_model: Annotated[
        str, typer.Option(help="A sentence-transformers model.")
    ] = DEFAULT_MODEL,
    model: Annotated[
        str | None, typer.Option(help="The reranker's folder or name; else the embedded default.")
    ] = None,
    reranked: Annotated[
        Path | None, typer.Option(help="A TREC run with the scores of a reranker, in its place.")
    ] = None,
    depth: Annotated[int, typer.Option(help="Passages reranked, and learned from.", min=1)] = 100,
    again: Annotated[int, typer.Option(help="Passages found by each search.", min=1)] = 1000,
    limit: Annotated[
        int | None, typer.Option(help="So many queries, evenly from all.", min=1)
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(help=f"LOSS:RATE:STEPS; repeatable; else {', '.join(map(str, FIRST))}."),
    ] = None,
    fused: Annotated[bool, typer.Option("--fused", help="Fuse both searches, too.")] = False,
    relevant_from: Annotated[int, typer.Option(help="Least grade that recall counts.", min=1)] = 1,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the runs, *.trec.gz in TREC's format.")
    ] = None,
) -> None:
    """Search, rerank, move the queries towards what the reranker prefers, and search again."""
    collection = load(name, split)
    queries = _judged(collection, limit)
    how = Feedback(tuple(map(Stage.parse, stage or [])) or FIRST, depth)
    dense = Dense(collection.passages, model=dense_model)
    before = dense.search(queries, depth=max(again, depth))
    if reranked is None:
        taught = rerank(collection, queries, before.top(depth), Reranker(model))
    else:
        taught = replace(from_file(collection, reranked, depth), name="reranked")
    _keep([before, taught], output)
    runs = [before.top(again), taught]
    runs.append(feed_back(dense, queries, taught, depth=again, how=how, progress=True))
    if fused:
        runs.append(replace(fuse([runs[0], runs[-1]]).top(again), name="fused"))
    _keep(runs[2:], output)
    console.print(_table(runs, collection, queries, relevant_from))


def rerank(
    collection: Collection, queries: Mapping[str, str], candidates: Run, reranker: Reranker
) -> Run:
    """The candidates of each query reranked, with a progress bar."""
    ids = list(queries)
    stream = reranker.rank_stream(
        (queries[id_], [collection.passages[found] for found in candidates.ids(id_)]) for id_ in ids
    )
    bar = tqdm(stream, desc="rerank", total=len(ids), unit="query", disable=None)
    found = {
        ids[place]: [(ranked.id, ranked.score) for ranked in ranking] for place, ranking in bar
    }
    return Run("reranked", {id_: found[id_] for id_ in ids})


def _judged(collection: Collection, limit: int | None) -> dict[str, str]:
    """The judged queries, or so many of them, evenly from all."""
    ids = [id_ for id_ in collection.queries if id_ in collection.qrels]
    if not ids:
        raise DataError(f"{collection!r} has no judged query, so nothing can be measured on it")
    count = min(limit or len(ids), len(ids))
    chosen = [ids[number * len(ids) // count] for number in range(count)]
    return {id_: collection.queries[id_] for id_ in chosen}


def _keep(runs: Sequence[Run], folder: Path | None) -> None:
    if folder is not None:
        for run in runs:
            write_trec(run, folder / f"{run.name}.trec.gz")


def _table(
    runs: Sequence[Run], collection: Collection, queries: Mapping[str, str], level: int
) -> Table:
    title = f"{collection.name}, {len(queries):,} queries"
    table = Table("run", *MEASURES, title=escape(title))
    for run in runs:
        found = [_measured(run.ids(id_), collection.qrels[id_], level) for id_ in queries]
        table.add_row(run.name, *(f"{fmean(values):.4f}" for values in zip(*found, strict=True)))
    return table


def _measured(
    ranked: Sequence[str], grades: Mapping[str, int], level: int
) -> tuple[float, float, float]:
    """As `MEASURES`, of one query."""
    at_100, at_1000 = (recall(ranked, grades, k, relevant_from=level) for k in (100, 1000))
    return ndcg_of(ranked, grades), at_100, at_1000
