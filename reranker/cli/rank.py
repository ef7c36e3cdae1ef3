"""`reranker rank`: rerank the candidates of many queries."""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from reranker.cli.first_stage import CollectionOptions
from reranker.cli.group import UsageError, Verbose, on_terminal
from reranker.cli.items import Item, check_trec, read_items
from reranker.cli.lines import is_stream, writing
from reranker.cli.options import RerankerOptions
from reranker.cli.output import PANEL, OutputOptions, formatter
from reranker.errors import RerankerError

if TYPE_CHECKING:
    from tqdm import tqdm

    from reranker.ranking import Ranking
    from reranker.reranker import Reranker

log = logging.getLogger(__name__)

_NOTHING = (
    "nothing to rank. Give a file of JSON lines such as "
    '{"query": "who wrote Dune?", "passages": ["Frank Herbert wrote Dune.", "Dunes are sand."]}, '
    "pipe such lines in, or name a --collection"
)


def rank(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="INPUT", help="JSON lines, .gz or not; - or nothing is stdin."),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            metavar="K", help="The best K of each query alone.", min=1, rich_help_panel=PANEL
        ),
    ] = None,
    instruction: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What relevance means here; a line's own goes first."),
    ] = None,
    progress: Annotated[
        bool | None,
        typer.Option(
            "--progress/--no-progress", help="A progress bar; else only where one can be seen."
        ),
    ] = None,
    verbose: Verbose = False,
    *,
    out: OutputOptions,
    first_stage: CollectionOptions,
    options: RerankerOptions,
) -> None:
    """Rerank many queries' candidates: of JSON lines, or of a collection and a TREC run.

    A line of INPUT is {"query": "…", "passages": […]}, with "id" and "instruction" if you like;
    a passage is a string or {"text": "…"}, with "id" and "title" if you like. Queries share
    forward passes and come out in the order they came in.
    """
    _check_source(source, first_stage)
    form = out.chosen_format("jsonl" if first_stage.collection is None else "trec")
    lines = formatter(form, text=out.text)
    with writing(out.output) as stream:
        items, total = _items(source, first_stage, trec=form == "trec")
        rankings = _ranked(options.reranker(), items, top_k, instruction)
        done = 0
        with _bar(total, _bar_shown(progress, out.output)) as bar:
            for item, ranking in rankings:
                stream.write(lines(item, ranking))
                bar.update()
                done += 1
    if done == 0:
        log.warning("there was no query to rank passages for")


def typed_at() -> bool:
    """Whether stdin is a terminal, on which nobody means to type JSON lines."""
    return sys.stdin.isatty()


def _check_source(source: Path | None, first_stage: CollectionOptions) -> None:
    if first_stage.collection is not None:
        if source is not None:
            raise UsageError("give INPUT or --collection, not both")
    elif first_stage.run is not None:
        raise UsageError("--run holds ids alone; say with --collection whose they are")
    elif source is None and typed_at():
        raise UsageError(_NOTHING)


def _items(
    source: Path | None, first_stage: CollectionOptions, *, trec: bool
) -> tuple[Iterable[Item], int | None]:
    """What is to be ranked, and how much of it where that is known.

    A file is checked to its last line before the first forward pass.
    """
    check: Callable[[Iterable[Item]], Iterator[Item]] = check_trec if trec else iter
    if first_stage.collection is not None:
        found = list(check(first_stage.items()))
        return found, len(found)
    total = None
    if source is not None and source.is_file():
        total = sum(1 for _ in check(read_items(source)))
    return check(read_items(source)), total


def _ranked(
    reranker: "Reranker", items: Iterable[Item], top_k: int | None, instruction: str | None
) -> Iterator[tuple[Item, "Ranking"]]:
    """Items with their rankings, in order; neighbours of one instruction share passes."""
    for told, neighbours in groupby(items, key=lambda item: item.instruction or instruction):
        yield from _in_order(reranker, neighbours, top_k, told)


def _in_order(
    reranker: "Reranker", items: Iterable[Item], top_k: int | None, instruction: str | None
) -> Iterator[tuple[Item, "Ranking"]]:
    """Rankings come as they are done; each is held back until all before it are out."""
    taken: dict[int, Item] = {}
    done: dict[int, Ranking] = {}

    def pairs() -> Iterator[tuple[str, Iterable[object]]]:
        for place, item in enumerate(items):
            taken[place] = item
            yield item.query, item.passages

    following = 0
    try:
        for place, ranking in reranker.rank_stream(pairs(), top_k=top_k, instruction=instruction):
            done[place] = ranking
            while following in done:
                yield taken.pop(following), done.pop(following)
                following += 1
    except RerankerError as error:
        _locate(error, taken)
        raise


def _locate(error: RerankerError, taken: dict[int, Item]) -> None:
    """Put file and line in the place of the number by which the library names a query."""
    notes = getattr(error, "__notes__", [])
    for place, note in enumerate(notes):
        found = re.fullmatch(r"(while \w+) query (\d+)", note)
        if found and int(found[2]) in taken:
            notes[place] = f"{found[1]} {taken[int(found[2])].place}"


def _bar_shown(asked: bool | None, output: Path | None) -> bool:
    """By default on a terminal, unless the rankings go to it as well."""
    if asked is not None:
        return asked
    return on_terminal() and not (is_stream(output) and sys.stdout.isatty())


def _bar(total: int | None, shown: bool) -> "tqdm[NoReturn]":
    from tqdm import tqdm

    return tqdm(total=total, desc="rerank", unit="query", disable=not shown)
