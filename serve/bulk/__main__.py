"""The command line: `python -m serve.bulk`, a TREC run reranked over a Ray cluster."""

from pathlib import Path
from typing import Annotated

import typer

from reranker.cli.group import INTERRUPTED, explained
from reranker.cli.options import RerankerOptions, spread
from reranker.cli.terminal import to_stderr
from reranker.errors import RerankerError
from serve.bulk.cluster import ClusterOptions
from serve.bulk.first_stage import FirstStage
from serve.bulk.job import SHARD, BulkJob, Summary

_GO_ON = "the same command goes on from the shards that are finished"

_HELP = (
    "Rerank a TREC run of any size over a Ray cluster.\n\n"
    "FOLDER gets run.trec, with the queries in RUN's order, and failed.jsonl, which says of the "
    "queries that could not be ranked why not; the exit status is then 1. After a kill at any "
    "time the same command goes on. See docs/bulk.md."
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(help=_HELP)
@spread
def bulk(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where results are written.")
    ],
    top_k: Annotated[
        int | None, typer.Option(metavar="K", help="The best K of each query alone.", min=1)
    ] = None,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What relevance means here.")
    ] = None,
    shard: Annotated[
        int, typer.Option(metavar="N", help="Queries that are written together.", min=1)
    ] = SHARD,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Rank shards anew in which queries failed.")
    ] = False,
    progress: Annotated[
        bool | None,
        typer.Option(
            "--progress/--no-progress", help="A progress bar; else only where one can be seen."
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what Ray and its workers log.")
    ] = False,
    *,
    first_stage: FirstStage,
    cluster: ClusterOptions,
    options: RerankerOptions,
) -> None:
    """Rerank a TREC run of any size over a Ray cluster."""
    job = BulkJob(
        first_stage=first_stage,
        options=options,
        top_k=top_k,
        instruction=instruction,
        shard=shard,
        cluster=cluster,
        output=output,
    )
    try:
        summary = job.run(retry=retry_failed, progress=progress, verbose=verbose)
    except KeyboardInterrupt:
        to_stderr("interrupted:", _GO_ON)
        raise typer.Exit(INTERRUPTED) from None
    except (RerankerError, OSError) as error:
        if verbose:
            raise
        to_stderr("error:", explained(error))
        raise typer.Exit(1) from None
    _tell(summary)


def _tell(summary: Summary) -> None:
    to_stderr("done:", f"{summary.queries - summary.failed:,} queries reranked, {summary.run}")
    if summary.failed:
        to_stderr("warning:", f"{summary.failed:,} failed and are left out, {summary.failures}")
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
