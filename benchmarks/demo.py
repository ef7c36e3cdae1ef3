"""The demo: real queries over real text, reranked by a real LLM, in under a minute.

`python -m benchmarks.demo` takes queries of the embedded collection, BM25's best passages for
each, and the embedded default. It shows what moved, how far and how fast, and BM25's nDCG@10
beside the reranker's.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from data.embedded import load
from data.measures import ndcg_of
from reranker import Collection, Ranking, Reranker
from reranker.bm25 import BM25
from reranker.cli.terminal import one_line, run_app
from reranker.embedded import shipped_adapter

SHOWN_PASSAGES = 5
_MARKS = ("", "●", "●●", "●●●")


@dataclass(frozen=True, slots=True)
class Answer:
    """One query, its first-stage ranking and the reranker's; passage ids, best first."""

    query_id: str
    first_stage: tuple[str, ...]
    ranking: Ranking

    @property
    def reranked(self) -> tuple[str, ...]:
        """Passage ids in the reranker's order."""
        return tuple(passage.id for passage in self.ranking)


def main(
    queries: Annotated[int, typer.Option(min=1, help="How many queries.")] = 10,
    depth: Annotated[int, typer.Option(min=2, help="Candidates a query, from BM25.")] = 20,
    shown: Annotated[int, typer.Option(min=0, help="Queries shown passage by passage.")] = 3,
    passage_tokens: Annotated[int, typer.Option(min=8, help="Tokens a passage.")] = 48,
    model: Annotated[str | None, typer.Option(help="Another model to rerank with.")] = None,
) -> None:
    """Rerank BM25's candidates for queries of the embedded collection."""
    console = Console()
    with console.status("reading this Python's documentation"):
        collection = load("test")
    console.print(f"[bold]{len(collection.passages)}[/] passages of this Python's documentation")
    with console.status("loading the model (unpacked once, about half a minute)"):
        reranker = Reranker(model, window=max(depth, 2), stride=1, passage_tokens=passage_tokens)
    started = time.perf_counter()
    answers = _rerank(collection, reranker, _sample(list(collection.queries), queries), depth)
    seconds = time.perf_counter() - started
    for answer in answers[:shown]:
        console.print(_moves(answer, collection))
    console.print(_figures(answers, collection, seconds))
    if model is None and shipped_adapter() is None:
        console.print(
            "The embedded default is a language model that nobody has trained to rerank yet: "
            "it guesses, and the figures say so.",
            style="yellow",
        )


def _sample(ids: Sequence[str], count: int) -> list[str]:
    """Ids spread evenly over all."""
    count = min(count, len(ids))
    return [ids[place * len(ids) // count] for place in range(count)]


def _rerank(
    collection: Collection, reranker: Reranker, ids: Sequence[str], depth: int
) -> list[Answer]:
    queries = {id_: collection.queries[id_] for id_ in ids}
    found = BM25(collection.passages).search(queries, depth=depth).rankings
    lists = {id_: [passage for passage, _ in found[id_]] for id_ in ids}
    pairs = [(queries[id_], [collection.passages[p] for p in lists[id_]]) for id_ in ids]
    stream = reranker.rank_stream(pairs)
    rankings = dict(track(stream, description="reranking", total=len(pairs), transient=True))
    return [Answer(id_, tuple(lists[id_]), rankings[place]) for place, id_ in enumerate(ids)]


def _moves(answer: Answer, collection: Collection) -> Table:
    """The best passages after reranking, where they came from, and what the judges say."""
    grades = collection.qrels[answer.query_id]
    title = Text.assemble(("query  ", "dim"), collection.queries[answer.query_id])
    table = Table(title=title, title_justify="left", expand=True, box=None, padding=(0, 1))
    for name in ("rank", "was", "", "logit", "judged"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("passage", ratio=1, no_wrap=True, overflow="ellipsis")
    for passage in answer.ranking[:SHOWN_PASSAGES]:
        gain = passage.index + 1 - passage.rank
        arrow = f"[green]▲{gain}[/]" if gain > 0 else f"[red]▼{-gain}[/]" if gain < 0 else "="
        text = Text.assemble((passage.id, "bold"), "  ", (one_line(passage.text[:200]), "dim"))
        mark = _MARKS[min(3, grades.get(passage.id, 0))]
        was, rank = str(passage.index + 1), str(passage.rank)
        table.add_row(rank, was, arrow, f"{passage.score:.2f}", mark, text)
    return table


def _figures(answers: Sequence[Answer], collection: Collection, seconds: float) -> Table:
    """BM25 against the reranker: quality, and what it took."""
    qrels = collection.qrels
    first = [ndcg_of(answer.first_stage, qrels[answer.query_id]) for answer in answers]
    after = [ndcg_of(answer.reranked, qrels[answer.query_id]) for answer in answers]
    told = [answer.ranking.explain() for answer in answers]
    tokens = sum(explanation.tokens for explanation in told)
    table = Table(title=f"{len(answers)} queries, the same candidates", title_justify="left")
    for name in ("", "nDCG@10", "better", "worse", "tokens a query", "seconds a query"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("BM25", f"{_mean(first):.3f}", "", "", "", "")
    better = sum(b > a for a, b in zip(first, after, strict=True))
    worse = sum(b < a for a, b in zip(first, after, strict=True))
    count = len(answers)
    table.add_row(
        "reranked",
        f"{_mean(after):.3f}",
        str(better),
        str(worse),
        f"{tokens / count:.0f}",
        f"{seconds / count:.2f}",
    )
    return table


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    run_app(partial(typer.run, main))
