"""The first stage: a collection and a TREC run over it, which is read a query at a time."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reranker.cli.first_stage import settle
from reranker.collection import Collection, read_beir
from reranker.run import stream_trec
from serve.bulk.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStage:
    """What is reranked."""

    collection: Annotated[
        Path, typer.Argument(metavar="COLLECTION", help="A folder in BEIR layout, gzipped or not.")
    ]
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The first stage's TREC run, gzipped or not.")
    ]
    depth: Annotated[
        int, typer.Option(metavar="N", help="Candidates of a query that are reranked.", min=1)
    ] = 100
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose judged queries; else test, else dev.")
    ] = None
    skip_missing: Annotated[
        bool,
        typer.Option("--skip-missing", help="Leave out what the collection lacks of the run."),
    ] = False

    def plan(self, shard: int) -> Plan:
        """The run's queries and their candidates, in shards of so many queries.

        Raises:
            DataError: for files that cannot be read or do not go together, and for a run in which
                the lines of a query do not stand together.
        """
        found = _Found(read_beir(self.collection, self.split))
        for query, ids in stream_trec(self.run):
            found.add(query, ids[: self.depth])
        found.settle(skip=self.skip_missing)
        return found.plan(shard)


class _Found:
    """What has been found of a run in its collection, and what has not."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._queries: list[tuple[str, str]] = []
        self._candidates: list[array[int]] = []
        self._places: dict[str, int] = {}
        self._strange: list[str] = []
        self._lost: dict[str, None] = {}

    def add(self, query: str, ids: Sequence[str]) -> None:
        if query not in self._collection.queries:
            self._strange.append(query)
            return
        candidates: array[int] = array("I")
        for id_ in ids:
            if id_ in self._collection.passages:
                candidates.append(self._places.setdefault(id_, len(self._places)))
            else:
                self._lost[id_] = None
        self._queries.append((query, self._collection.queries[query]))
        self._candidates.append(candidates)

    def settle(self, *, skip: bool) -> None:
        queries = len(self._queries) + len(self._strange)
        settle(self._strange, queries, "queries", self._collection, skip=skip)
        passages = len(self._places) + len(self._lost)
        settle(list(self._lost), passages, "passages", self._collection, skip=skip)

    def plan(self, shard: int) -> Plan:
        passages = [self._collection.passages[id_] for id_ in self._places]
        return Plan(self._queries, self._candidates, passages, shard)
