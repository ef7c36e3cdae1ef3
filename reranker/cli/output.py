"""The output of `reranker rank`: JSON lines or a TREC run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reranker.cli.items import Item
from reranker.cli.options import one_of
from reranker.cli.terminal import json_line
from reranker.ranking import RankedPassage, Ranking

FORMATS = ("jsonl", "trec")
PANEL = "Output"
_TREC_SUFFIXES = (".trec", ".run", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """Where rankings go, and in which form."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write, whole or not at all; .gz or not. Else stdout, line by line.",
            rich_help_panel=PANEL,
        ),
    ] = None
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="jsonl or trec; else as the output's name says (.trec, .run, .txt are trec).",
            callback=one_of(FORMATS),
            rich_help_panel=PANEL,
        ),
    ] = None
    text: Annotated[
        bool, typer.Option("--text", help="Passages' texts as well.", rich_help_panel=PANEL)
    ] = False

    def chosen_format(self, default: str) -> str:
        """`jsonl` or `trec`: as asked for, else by the output's name, else the default."""
        if self.format is not None or self.output is None:
            return self.format or default
        suffixes = [suffix for suffix in self.output.suffixes if suffix != ".gz"]
        if not suffixes:
            return default
        return "trec" if suffixes[-1] in _TREC_SUFFIXES else "jsonl"


def formatter(name: str, *, text: bool) -> Callable[[Item, Ranking], str]:
    """What writes a ranking as lines of the format."""
    if name == "trec":
        return lambda item, ranking: ranking.to_trec(item.id)
    return lambda item, ranking: jsonl_line(item, ranking, text=text)


def jsonl_line(item: Item, ranking: Ranking, *, text: bool) -> str:
    """One JSON line: id, query and ranking, best first."""
    row = {
        "id": item.id,
        "query": item.query,
        "ranking": [ranked_row(passage, text=text) for passage in ranking],
    }
    return json_line(row) + "\n"


def ranked_row(passage: RankedPassage, *, text: bool) -> dict[str, object]:
    """A ranked passage as plain values."""
    row: dict[str, object] = {
        "id": passage.id,
        "index": passage.index,
        "rank": passage.rank,
        "score": passage.score,
    }
    return row | {"text": passage.text} if text else row
