"""What a model ranks by, side by side: `python -m benchmarks.baselines NAME --collection …`.

The same candidates by the same backbone untrained (identifiers' logits, the query's likelihood as
the library and as the textbook reads it, attention in context), trained (as shipped, and each part
of its scores alone), and by a bi-encoder. Writes what `benchmarks.quality` writes, into
`benchmarks/results/NAME/`, and goes on where it stopped.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.baselines.scored import Scorer, ScoringRanker
from benchmarks.command import DENSE_MODEL, command_line
from benchmarks.experiment import Plan, conduct
from benchmarks.quality import RESULTS, write
from benchmarks.report import Report
from benchmarks.reranking import MeasuredReranker
from data.first_stage import EXPECTED
from reranker.cli.terminal import run_app

EMBEDDED, DEFAULT = "embedded", "default"
UNTRAINED: Mapping[str, Mapping[str, object]] = {
    "suffix": {"layout": "suffix", "likelihood": 0.0},
    "listwise": {"layout": "listwise", "likelihood": 0.0},
    "likelihood": {},
}
# Beside 999 times the likelihood an identifier's logit is nothing.
TRAINED: Mapping[str, Mapping[str, object]] = {
    "": {},
    "prior=0": {"prior": 0.0},
    "identifier alone": {"prior": 0.0, "likelihood": 0.0},
    "likelihood alone": {"prior": 0.0, "likelihood": 999.0},
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command()
def baselines(
    name: Annotated[str, typer.Argument(help="Name of the results' folder.")],
    collection: Annotated[list[str], typer.Option(help="Collection; repeatable.")],
    first_stage: Annotated[str, typer.Option(help=f"{EXPECTED}.")] = "bm25",
    base: Annotated[str, typer.Option(help="The untrained model.")] = EMBEDDED,
    model: Annotated[str, typer.Option(help="The model trained from it.")] = DEFAULT,
    dense_model: Annotated[
        str | None,
        typer.Option(help="A sentence-transformers model; else no bi-encoder.", envvar=DENSE_MODEL),
    ] = None,
    depth: Annotated[int, typer.Option(help="Candidates a query.", min=2)] = 20,
    queries: Annotated[int | None, typer.Option(help="A sample of the queries.", min=1)] = None,
    passage_tokens: Annotated[int, typer.Option(help="Read of a passage.", min=1)] = 96,
    query_tokens: Annotated[int, typer.Option(help="Read of a query.", min=1)] = 48,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    batch: Annotated[int, typer.Option(help="Queries ranked at a time.", min=1)] = 2,
    fresh: Annotated[bool, typer.Option("--fresh", help="Rank finished queries again.")] = False,
    plots: Annotated[bool, typer.Option(help="Draw plots.")] = True,
) -> None:
    """Rank the same candidates by the same backbone's logits, likelihood and attention."""
    lengths = {"passage_tokens": passage_tokens, "query_tokens": query_tokens}
    rerankers = [
        *untrained(base, lengths, dtype),
        *plain(base, lengths, dtype),
        *trained(model, lengths, dtype),
        *dense(dense_model),
    ]
    plan = Plan(RESULTS / name, depth=depth, queries=queries, batch=batch, fresh=fresh)
    try:
        found = [conduct(plan, one, first_stage, [], rerankers) for one in collection]
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command goes on from here")
        raise typer.Exit(130) from None
    write(Report(name, command_line("baselines"), found), plan.results, plots=plots)
    console.print(f"written to {escape(str(plan.results))}")


def untrained(base: str, lengths: Mapping[str, int], dtype: str | None) -> list[MeasuredReranker]:
    """This library's rerankers over a model that nobody trained to rank."""
    from benchmarks.models import measured_rerankers

    own = {**lengths, "layout": "cross", "likelihood": 1.0, "prior": 0.0, "strategy": "sliding"}
    return measured_rerankers([base], [], own, dtype=dtype, variants=UNTRAINED)


def trained(model: str, lengths: Mapping[str, int], dtype: str | None) -> list[MeasuredReranker]:
    """A trained reranker as it is, and by parts of its scores."""
    from benchmarks.models import measured_rerankers

    return measured_rerankers([model], [], lengths, dtype=dtype, variants=TRAINED)


def plain(base: str, lengths: Mapping[str, int], dtype: str | None) -> list[MeasuredReranker]:
    """Other people's ways to rank by an untrained model, as transformers runs it."""
    from benchmarks.baselines.icr import InContext
    from benchmarks.baselines.query_likelihood import QueryLikelihood
    from benchmarks.models import weights
    from reranker import load

    checkpoint = load(base, dtype=dtype)
    told = {"model": checkpoint.name, **weights(checkpoint), **lengths}
    scorers: dict[str, Scorer] = {
        "UPR": QueryLikelihood(checkpoint, **lengths),
        "ICR": InContext(checkpoint, **lengths),
    }
    return [
        MeasuredReranker(
            f"{Path(base).name} {name}", {**told, "scores": name}, ScoringRanker(scorer)
        )
        for name, scorer in scorers.items()
    ]


def dense(model: str | None) -> list[MeasuredReranker]:
    """A bi-encoder, where one is named."""
    if model is None:
        return []
    from benchmarks.baselines.bi_encoder import bi_encoder

    return [bi_encoder(model)]


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
