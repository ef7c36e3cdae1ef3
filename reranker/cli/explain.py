"""`reranker explain`: rank passages given on the command line and show how it came about."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reranker.cli.group import UsageError, Verbose
from reranker.cli.items import read_passages
from reranker.cli.options import RerankerOptions
from reranker.cli.output import ranked_row
from reranker.cli.terminal import console, json_line, use_stdout
from reranker.passage import Passage

if TYPE_CHECKING:
    from reranker.ranking import Ranking
    from reranker.reranker import Reranker


def explain(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What the passages are to answer.")],
    passages: Annotated[
        list[str] | None,
        typer.Argument(metavar="PASSAGE...", help="The passages, in first-stage order."),
    ] = None,
    passage_file: Annotated[
        Path | None,
        typer.Option(
            "--passages",
            metavar="FILE",
            help="Passages of a file, one a line, plain or JSONL; - is stdin.",
        ),
    ] = None,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What relevance means here.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Verbose = False,
    *,
    options: RerankerOptions,
) -> None:
    """Rank passages and show why: each window's logits, what moved, what was cut, how long."""
    if bool(passages) == (passage_file is not None):
        raise UsageError("give the passages as arguments, or a file of them by --passages")
    found = [Passage(text) for text in passages or ()] or read_passages(passage_file)
    reranker = options.reranker()
    ranking = reranker.rank(query, found, instruction=instruction)
    if json:
        use_stdout(encoding="utf-8")
        typer.echo(json_line(as_values(reranker, ranking)))
    else:
        from reranker.cli.picture import picture

        console().print(picture(reranker, ranking, found))


def as_values(reranker: "Reranker", ranking: "Ranking") -> dict[str, object]:
    """A ranking and its explanation as plain values, fit for JSON."""
    return {
        "query": ranking.query,
        "model": reranker.name,
        "device": str(reranker.engine.device),
        "settings": asdict(reranker.settings),
        "ranking": [ranked_row(passage, text=True) for passage in ranking],
        **ranking.explain().to_dict(),
    }
