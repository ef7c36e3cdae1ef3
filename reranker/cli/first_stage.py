"""The items of a collection: the candidates that a run, or BM25, gives each query."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from reranker.cli.items import Item
from reranker.collection import Collection, read_beir
from reranker.errors import DataError
from reranker.run import Run, read_trec

PANEL = "Collection (in place of INPUT)"
_NAMED = 5

log = logging.getLogger(__name__)


def _option(metavar: str, text: str, **settings: Any) -> Any:
    return typer.Option(metavar=metavar, help=text, rich_help_panel=PANEL, **settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionOptions:
    """A collection and its first stage."""

    collection: Annotated[
        Path | None, _option("FOLDER", "A folder in BEIR layout, gzipped or not.")
    ] = None
    run: Annotated[
        Path | None, _option("FILE", "The first stage's TREC run to rerank; else BM25.")
    ] = None
    depth: Annotated[int, _option("N", "Candidates of a query that are reranked.", min=1)] = 100
    split: Annotated[str | None, _option("NAME", "Whose judged queries; else test, else dev.")] = (
        None
    )
    skip_missing: Annotated[
        bool,
        typer.Option(
            "--skip-missing",
            help="Leave out what the collection lacks of the run.",
            rich_help_panel=PANEL,
        ),
    ] = False

    def items(self) -> list[Item]:
        """One item for each query of the run that has candidates, in the run's order.

        Raises:
            DataError: for files that cannot be read or do not go together.
            MissingExtraError: for BM25 where it is not installed.
        """
        assert self.collection is not None
        collection = read_beir(self.collection, self.split)
        run = self._candidates(collection)
        return [_item(collection, query, run.ids(query)) for query in run.rankings]

    def _candidates(self, collection: Collection) -> Run:
        if self.run is not None:
            run = read_trec(self.run).top(self.depth)
            return _without_strangers(run, collection, skip=self.skip_missing)
        from reranker.bm25 import BM25

        log.info("ranking %d passages with BM25 first", len(collection.passages))
        return BM25(collection.passages).search(collection.queries, depth=self.depth)


def _item(collection: Collection, query: str, ids: Iterable[str]) -> Item:
    passages = [collection.passages[id_] for id_ in ids]
    return Item(query, collection.queries[query], passages, f"query {query!r}")


def _without_strangers(run: Run, collection: Collection, *, skip: bool) -> Run:
    """The run without the queries and passages that the collection lacks.

    Raises:
        DataError: for any such unless they are to be skipped.
    """
    known = {query: ids for query, ids in run.rankings.items() if query in collection.queries}
    strange = [query for query in run.rankings if query not in known]
    settle(strange, len(run.rankings), "queries", collection, skip=skip)
    lines = [id_ for ranking in known.values() for id_, _ in ranking]
    lost = [id_ for id_ in lines if id_ not in collection.passages]
    settle(list(dict.fromkeys(lost)), len(set(lines)), "passages", collection, skip=skip)
    return Run(run.name, _present(known, collection)) if lost else Run(run.name, known)


def _present(
    rankings: Mapping[str, Iterable[tuple[str, float]]], collection: Collection
) -> dict[str, list[tuple[str, float]]]:
    return {
        query: [line for line in ranking if line[0] in collection.passages]
        for query, ranking in rankings.items()
    }


def settle(strange: list[str], of: int, what: str, collection: Collection, *, skip: bool) -> None:
    """Refuse, or with `skip` warn of, ids of a run that its collection lacks.

    Raises:
        DataError: naming the first of them.
    """
    if not strange:
        return
    named = ", ".join(map(repr, strange[:_NAMED])) + (", …" if len(strange) > _NAMED else "")
    found = f"{len(strange)} of the {of} {what} of the run are not in {collection!r}: {named}"
    if not skip:
        raise DataError(
            f"{found}; is it the run of another collection or split? To rerank the rest, add "
            "--skip-missing"
        )
    log.warning("%s; skipped", found)
