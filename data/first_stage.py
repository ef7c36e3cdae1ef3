"""First-stage retrieval: the candidates of each query, from retrievers or run files."""

from pathlib import Path

from data.dense import DEFAULT_MODEL
from data.fusion import fuse
from data.retrievers.registry import RETRIEVERS, SERVERS, Build, named
from data.retrievers.retriever import check_depth
from reranker.collection import Collection
from reranker.errors import DataError, InputError
from reranker.run import Run, read_trec

EXPECTED = (
    f"{', '.join(RETRIEVERS)}, {', '.join(f'{each}:URL/INDEX' for each in SERVERS)}, the path of "
    "a TREC run file, or several of these joined by '+'"
)
"""What a first stage may be, for messages and helps."""


def retrieve(
    collection: Collection,
    first_stage: str | Path = "bm25",
    depth: int = 100,
    *,
    dense_model: str = DEFAULT_MODEL,
) -> Run:
    """The best `depth` candidates of each query of a collection.

    `first_stage` is the name of a retriever ("bm25", "sqlite", "dense", "faiss", "qdrant"),
    "opensearch:URL/INDEX" or "elasticsearch:URL/INDEX", or the path of a TREC run over the
    collection, of which the collection's queries are kept; a query that it lacks has no
    candidates. Several joined by "+", such as "bm25+dense", are fused by their ranks, each of
    them cut to `depth` first.

    Raises:
        InputError: for a first stage that is none of these, or a depth below 1.
        DataError: for a run file of another collection.
        MissingExtraError: for a retriever whose packages are not installed.
        RemoteError: for a search server that refuses, or does not answer.
    """
    check_depth(depth)
    is_file = Path(first_stage).is_file()
    stages = [str(first_stage)] if is_file else str(first_stage).split("+")
    builds = [_build(stage) for stage in stages]
    runs = [
        build(collection.passages, dense_model).search(collection.queries, depth=depth)
        if build
        else from_file(collection, stage, depth)
        for stage, build in zip(stages, builds, strict=True)
    ]
    return runs[0] if len(runs) == 1 else fuse(runs).top(depth)


def _build(stage: str) -> Build | None:
    """What makes a retriever, or None for a run file."""
    build = named(stage)
    if build is None and not Path(stage).is_file():
        raise InputError(f"no first stage {stage!r}: expected {EXPECTED}")
    return build


def from_file(collection: Collection, path: str | Path, depth: int) -> Run:
    """The queries of a collection in a run file, cut to `depth`.

    Raises:
        DataError: where no query is in the run, or a passage of it is not in the collection.
    """
    run = read_trec(path).top(depth)
    rankings = {query: run.rankings.get(query, ()) for query in collection.queries}
    if not any(rankings.values()):
        raise DataError(
            f"{path} ranks none of the {len(rankings)} queries of {collection.name}; its queries "
            f"are such as {next(iter(run.rankings), 'none')!r}"
        )
    ids = {id_ for ranking in rankings.values() for id_, _ in ranking}
    if unknown := ids - collection.passages.keys():
        raise DataError(
            f"{path} names {len(unknown)} of {len(ids)} passages that {collection.name} does not "
            f"hold, for example {min(unknown)!r}; is it a run over another version of it?"
        )
    return Run(run.name, rankings)
