"""The page's first stage: BM25 over pasted passages, or over a collection of the operator's."""

import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from reranker.bm25 import BM25
from reranker.collection import Collection, read_beir
from reranker.errors import DataError, MissingExtraError
from reranker.passage import Passage
from serve.answering import JsonResponse
from serve.body import read_object
from serve.dialects.fields import Documents, Query, Whole
from serve.dialects.passages import read_passages
from serve.endpoint import Service
from serve.errors import Refusal, ServiceError
from serve.logs import failure

_PACKAGES = ("bm25s", "Stemmer")
_OFFERED_QUERIES = 100

log = logging.getLogger(__name__)


class SearchBody(BaseModel):
    """A query, and the passages to order; without any, the collection is searched."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    query: Query
    passages: Documents | None = None
    depth: Annotated[Whole, Field(ge=1, le=1000)] = 20


class Shelf:
    """A collection, read when it is first asked for and indexed when first searched.

    From any thread.

    Args:
        folder: in BEIR layout.
    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.resolve().name
        self._folder = folder
        self._lock = Lock()
        self._collection: Collection | None = None
        self._index: BM25 | None = None

    def queries(self) -> list[str]:
        """The texts of the collection's own queries.

        Raises:
            DataError: for a folder that cannot be read.
        """
        with self._lock:
            return list(self._read().queries.values())

    def search(self, query: str, depth: int) -> list[tuple[Passage, float]]:
        """The best passages and their BM25 scores.

        Raises:
            DataError: for a folder that cannot be read.
            MissingExtraError: where the packages of BM25 are not installed.
        """
        with self._lock:
            passages = self._read().passages
            if self._index is None:
                self._index = BM25(passages)
        return _found(self._index, passages, query, depth)

    def _read(self) -> Collection:
        if self._collection is None:
            self._collection = read_beir(self._folder)
        return self._collection


def samples_router(service: Service, collection: Path | None = None) -> APIRouter:
    """What the page asks beside rerankings: `GET /samples` and `POST /search`.

    Args:
        service: keeps the limit on how many passages are taken.
        collection: a folder in BEIR layout to draw candidates from.
    """
    router = APIRouter(include_in_schema=False)
    shelf = None if collection is None else Shelf(collection)

    @router.get("/samples")
    async def samples() -> dict[str, Any]:
        """Whether there is a first stage, and the name and queries of what it searches."""
        return await run_in_threadpool(_offered, shelf)

    @router.post("/search")
    async def search(request: Request) -> Response:
        """The collection's best passages, or all the given ones, in BM25's order."""
        found = read_object(await request.body(), longest=service.limits.max_documents)
        body = _checked(found)
        passages = await run_in_threadpool(_searched, body, shelf)
        return JsonResponse({"passages": passages})

    return router


def ordered(query: str, passages: Sequence[Passage]) -> list[tuple[Passage, float]]:
    """Passages in BM25's order, with their scores; those without a word of the query last, at 0."""
    if not passages:
        return []
    named = {str(place): passage for place, passage in enumerate(passages)}
    best = BM25(named).search({"query": query}, depth=len(named)).rankings["query"]
    scores = dict(best)
    rest = [(name, 0.0) for name in named if name not in scores]
    return [(named[name], score) for name, score in [*best, *rest]]


def _found(
    index: BM25, passages: Mapping[str, Passage], query: str, depth: int
) -> list[tuple[Passage, float]]:
    run = index.search({"query": query}, depth=depth)
    return [(passages[id_], score) for id_, score in run.rankings["query"]]


def _offered(shelf: Shelf | None) -> dict[str, Any]:
    bm25 = all(find_spec(package) for package in _PACKAGES)
    try:
        queries = shelf.queries()[:_OFFERED_QUERIES] if bm25 and shelf is not None else []
    except DataError as error:
        raise _unreadable(error) from None
    return {"bm25": bm25, "collection": shelf and shelf.name, "queries": queries}


def _searched(body: SearchBody, shelf: Shelf | None) -> list[dict[str, object]]:
    try:
        if body.passages is not None:
            scored = ordered(body.query, read_passages("passages", body.passages))
        elif shelf is not None:
            scored = shelf.search(body.query, body.depth)
        else:
            raise ServiceError(
                Refusal.UNPROCESSABLE,
                "passages: found none, and this service has no collection; give a list of them",
            )
    except MissingExtraError as error:
        raise ServiceError(Refusal.NOT_READY, str(error)) from None
    except DataError as error:
        raise _unreadable(error) from None
    return [_written(passage, score) for passage, score in scored]


def _unreadable(error: DataError) -> ServiceError:
    # Its message names folders of this machine, and may quote a line.
    failure(log, "collection failed", error)
    return ServiceError(
        Refusal.FAILED,
        "the service's collection cannot be read; its operator finds out why with: "
        "python -m data show FOLDER",
    )


def _written(passage: Passage, score: float) -> dict[str, object]:
    known = {"id": passage.id, "title": passage.title, "text": passage.text, "score": score}
    return {name: value for name, value in known.items() if value is not None}


def _checked(found: Mapping[str, Any]) -> SearchBody:
    try:
        return SearchBody.model_validate(found)
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        raise ServiceError(
            Refusal.UNPROCESSABLE, f"{told[0]['loc'][0]}: {told[0]['msg']}"
        ) from None
