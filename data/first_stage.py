"""First-stage retrieval: the candidates of each query, from a retriever or a run file."""

from pathlib import Path

from data.dense import DEFAULT_MODEL, Dense
from reranker.bm25 import BM25
from reranker.collection import Collection
from reranker.errors import DataError, InputError
from reranker.run import Run, read_trec

RETRIEVERS = ("bm25", "dense")


def retrieve(
    collection: Collection,
    first_stage: str | Path = "bm25",
    depth: int = 100,
    *,
    dense_model: str = DEFAULT_MODEL,
) -> Run:
    """The best `depth` candidates of each query of a collection.

    `first_stage` is "bm25", "dense" or the path of a TREC run over the collection, of which the
    collection's queries are kept; a query that it lacks has no candidates.

    Raises:
        InputError: for a first stage that is none of these, or a depth below 1.
        DataError: for a run file of another collection.
        MissingExtraError: for a retriever whose packages are not installed.
    """
    if depth < 1:
        raise InputError(f"depth must be at least 1 passage, found {depth}")
    if first_stage == "bm25":
        return BM25(collection.passages).search(collection.queries, depth=depth)
    if first_stage == "dense":
        return Dense(collection.passages, model=dense_model).search(collection.queries, depth=depth)
    if Path(first_stage).is_file():
        return from_file(collection, first_stage, depth)
    raise InputError(
        f"no first stage {str(first_stage)!r}: expected one of {list(RETRIEVERS)} or the path of a "
        "TREC run file that exists"
    )


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
