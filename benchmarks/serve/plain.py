"""The server that one would write by hand: FastAPI before a `Reranker`, one request at a time.

It reads and answers what the service does on the same path, and tells the time of its passes.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import JSONResponse

from reranker.ranking import Ranking
from reranker.reranker import Reranker

PATH = "/v2/rerank"


class Body(BaseModel):
    """A query and its documents, in Cohere's words."""

    query: str
    documents: list[str]


def create_plain(reranker: Reranker) -> FastAPI:
    """The application over a loaded reranker."""
    app, turn = FastAPI(), asyncio.Lock()

    @app.post(PATH)
    async def rerank(body: Body) -> JSONResponse:
        # asyncio's lock is first come, first served: the fairest that one request at a time can be.
        async with turn:
            ranking = await asyncio.to_thread(reranker.rank, body.query, body.documents)
        return JSONResponse(*written(ranking))

    return app


def written(ranking: Ranking) -> tuple[dict[str, Any], int, dict[str, str]]:
    """An answer's body, status and headers."""
    results = [{"index": passage.index, "relevance_score": passage.score} for passage in ranking]
    return {"results": results}, 200, {"server-timing": f"engine;dur={milliseconds(ranking):.3f}"}


def milliseconds(ranking: Ranking) -> float:
    """The time of a ranking's passes."""
    return sum(window.milliseconds for window in ranking.explain().windows)


def documents_of(bodies: Sequence[Body]) -> tuple[list[str], list[list[str]]]:
    """The queries and the documents of several requests, as `rank_many` takes them."""
    return [body.query for body in bodies], [body.documents for body in bodies]
