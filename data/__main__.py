"""The command line of collections: `python -m data list | show NAME | search NAME`."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from data.collections import EMBEDDED, folders, load
from data.dense import DEFAULT_MODEL
from data.export_command import export
from data.feedback_command import feedback
from data.first_stage import EXPECTED, retrieve
from data.mining import Mining
from data.mining import mine as mine_rows
from data.synthesis.command import synthesize
from data.teacher import DenseTeacher, RerankerTeacher, Teacher
from reranker.cli.terminal import run_app
from reranker.collection import Collection, splits
from reranker.errors import DataError
from reranker.files import replacing
from reranker.reranker import Reranker
from reranker.run import Run, write_trec

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Collections: list, show and search them.",
)
console = Console()

Name = Annotated[
    str, typer.Argument(help="A folder, a name, 'embedded', hf:OWNER/NAME or irds:NAME.")
]
Split = Annotated[str | None, typer.Option(help="Which judgments to read; test where there are.")]


@app.command("list")
def list_() -> None:
    """List the collections on this machine."""
    table = Table("collection", "splits", "folder")
    table.add_row(EMBEDDED, "all dev test", "(the interpreter's own documentation)")
    for name, folder in folders().items():
        table.add_row(escape(name), " ".join(splits(folder)), escape(str(folder)))
    console.print(table)


@app.command()
def show(name: Name, split: Split = None) -> None:
    """Show a collection's size, judgments and first queries."""
    collection = load(name, split)
    table = Table(title=escape(collection.name), show_header=False)
    for row in _facts(collection):
        table.add_row(*map(escape, row))
    console.print(table)


@app.command()
def search(
    name: Name,
    split: Split = None,
    first_stage: Annotated[str, typer.Option(help=f"{EXPECTED}.")] = "bm25",
    depth: Annotated[int, typer.Option(help="Candidates a query.", min=1)] = 100,
    output: Annotated[Path | None, typer.Option(help="TREC run to write, .gz or not.")] = None,
    query: Annotated[str | None, typer.Option(help="Search this text and show the hits.")] = None,
    dense_model: Annotated[
        str, typer.Option(help="A sentence-transformers model.")
    ] = DEFAULT_MODEL,
) -> None:
    """Retrieve candidates: for every query into a run file, or for one text onto the screen."""
    if (output is None) == (query is None):
        raise typer.BadParameter("give either --output RUN.trec or --query TEXT")
    collection = load(name, split)
    if query is not None:
        collection = Collection(collection.name, collection.passages, {"query": query})
    run = retrieve(collection, first_stage, depth, dense_model=dense_model)
    if output is None:
        console.print(_hits(collection, run))
    else:
        write_trec(run, output)
        console.print(f"{escape(repr(run))} written to {escape(str(output))}")


app.command()(export)


@app.command()
def mine(
    name: Name,
    output: Annotated[Path, typer.Option(help="Rows to write, .jsonl or .jsonl.gz.")],
    split: Split = None,
    first_stage: Annotated[str, typer.Option(help=f"{EXPECTED}.")] = "bm25",
    depth: Annotated[int, typer.Option(help="Candidates to draw negatives from.", min=1)] = 100,
    limit: Annotated[int | None, typer.Option(help="Mine this many queries, drawn.")] = None,
    passages: Annotated[int, typer.Option(help="Passages of a row.")] = 20,
    positives: Annotated[int, typer.Option(help="Relevant passages of a row, at most.")] = 10,
    hard: Annotated[float, typer.Option(help="Share of negatives from the top.")] = 0.5,
    queries: Annotated[int, typer.Option(help="Queries over a row's passages, at most.")] = 1,
    teacher: Annotated[
        str | None, typer.Option(help="dense, or a reranker's folder or name: grades the rest.")
    ] = None,
    dense_model: Annotated[
        str, typer.Option(help="A sentence-transformers model.")
    ] = DEFAULT_MODEL,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
) -> None:
    """Mine rows to train on: relevant passages, hard negatives, further queries, estimates."""
    how = Mining(passages=passages, positives=positives, hard=hard, queries=queries, seed=seed)
    judge = None if teacher is None else _teacher(teacher, dense_model)
    collection = load(name, split)
    asked = replace(collection, queries=_some(collection, limit, seed))
    run = retrieve(asked, first_stage, depth, dense_model=dense_model)
    count = 0
    with replacing(output) as file:
        for row in tqdm(mine_rows(collection, run, how, judge), unit=" rows", disable=None):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
        if not count:
            raise DataError(
                f"no query of {collection.name} has both a relevant passage and a negative among "
                f"its candidates; give another split, or more than depth {depth}"
            )
    console.print(f"{count:,} rows of {len(run.rankings):,} queries in {escape(str(output))}")


def _teacher(name: str, dense_model: str) -> Teacher:
    return DenseTeacher(dense_model) if name == "dense" else RerankerTeacher(Reranker(name))


def _some(collection: Collection, limit: int | None, seed: int) -> dict[str, str]:
    """At most `limit` of the queries that have a relevant passage, drawn."""
    qrels = collection.qrels
    judged = [q for q in collection.queries if any(g > 0 for g in qrels.get(q, {}).values())]
    if not judged:
        raise DataError(
            f"{collection.name} has no judged query with a relevant passage; give another --split, "
            "or have queries written for its passages by: python -m data synthesize"
        )
    drawn = np.random.default_rng(seed).permutation(len(judged))[:limit]
    return {judged[place]: collection.queries[judged[place]] for place in drawn}


def _facts(collection: Collection) -> list[tuple[str, str]]:
    words = [len(passage.text.split()) for passage in collection.passages.values()]
    grades = Counter(grade for judged in collection.qrels.values() for grade in judged.values())
    return [
        ("passages", f"{len(words):,} of {fmean(words) if words else 0:.0f} words on average"),
        ("queries", f"{len(collection.queries):,}"),
        ("judgments", ", ".join(f"{grades[g]:,} of grade {g}" for g in sorted(grades)) or "none"),
        *(("query", f"{id_}: {text}") for id_, text in list(collection.queries.items())[:3]),
    ]


def _hits(collection: Collection, run: Run) -> Table:
    table = Table("rank", "score", "passage", "text")
    for rank, (id_, score) in enumerate(run.rankings["query"], 1):
        passage = collection.passages[id_]
        text = f"{passage.title}: {passage.text}" if passage.title else passage.text
        table.add_row(str(rank), f"{score:.4g}", escape(id_), escape(text[:160]))
    return table


app.command()(feedback)
app.command()(synthesize)


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
