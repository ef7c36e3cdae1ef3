"""Dev sets: queries with candidates and grades, by which a run is judged as it goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reranker.errors import DataError
from reranker.passage import Passage
from training.ingredients import Dev
from training.recipe import Recipe
from training.rows import read_rows


@dataclass(frozen=True, slots=True)
class DevQuery:
    """A query and its candidates in first-stage order.

    `grades` has one a candidate, 0 for an unjudged one; `judged` has those of all judged
    passages, also of such as are no candidates.
    """

    text: str
    passages: tuple[Passage, ...]
    grades: tuple[float, ...]
    judged: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DevSet:
    """The queries of one dev set."""

    name: str
    queries: tuple[DevQuery, ...]


def dev_sets(recipe: Recipe) -> list[DevSet]:
    """The dev sets that a recipe names.

    Raises:
        DataError: for one that cannot be read, or without a query.
        MissingExtraError: for a first stage whose packages are not installed.
    """
    return [_dev_set(dev, recipe) for dev in recipe.dev]


def _dev_set(dev: Dev, recipe: Recipe) -> DevSet:
    if dev.rows is not None:
        queries = list(_of_rows(recipe.path(dev.rows), dev.depth))
    else:
        queries = list(_of_collection(dev, recipe))
    if not queries:
        raise DataError(
            f"dev set {dev.name!r} holds no query to rank; give it one, or leave it out"
        )
    return DevSet(dev.name, tuple(_spread(queries, dev.queries)))


def _of_rows(path: Path, depth: int) -> Iterator[DevQuery]:
    for row in read_rows(path, on_error="skip"):
        grades = row.relevance or row.labels()
        yield DevQuery(row.query, row.passages[:depth], grades[:depth], grades)


def _of_collection(dev: Dev, recipe: Recipe) -> Iterator[DevQuery]:
    from data.collections import load
    from data.first_stage import retrieve

    assert dev.collection is not None, "a dev set names rows or a collection"
    path = recipe.path(dev.first_stage)
    collection = load(dev.collection, dev.split)
    run = retrieve(collection, path if path.is_file() else dev.first_stage, dev.depth)
    for id_, text in collection.queries.items():
        grades = collection.qrels.get(id_, {})
        found = run.ids(id_)
        yield DevQuery(
            text,
            tuple(collection.passages[passage] for passage in found),
            tuple(float(grades.get(passage, 0)) for passage in found),
            tuple(map(float, grades.values())),
        )


def _spread(queries: Sequence[DevQuery], most: int | None) -> Iterator[DevQuery]:
    """At most `most` queries, evenly from all over the set."""
    if most is None or most >= len(queries):
        return iter(queries)
    return islice((queries[number * len(queries) // most] for number in range(most)), most)
