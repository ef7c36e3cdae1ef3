"""The server that Ray Serve's own documentation leads to: `@serve.batch` before `rank_many`.

Requests that come together are ranked in lockstep, and all of them are answered when the last is.
"""

import asyncio
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

from benchmarks.serve.plain import Body, documents_of, written
from reranker.ranking import Ranking
from serve.loader import Loader
from serve.settings import ServeSettings

BATCH = 8
WAIT_SECONDS = 0.01


@serve.deployment(name="Batch", max_ongoing_requests=256)
class Batch:
    """One model, read by one batch of requests after another.

    Args:
        settings: of the model; the rest is not looked at.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._reranker = Loader()(settings, None)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=WAIT_SECONDS)
    async def rank(self, bodies: list[Body]) -> list[Ranking]:
        """Rank a batch in lockstep."""
        return await asyncio.to_thread(self._ranked, bodies)

    async def __call__(self, request: Request) -> JSONResponse:
        """Answer one request, with its batch."""
        body = Body.model_validate_json(await request.body())
        ranking: Any = await self.rank(body)
        return JSONResponse(*written(ranking))

    def _ranked(self, bodies: list[Body]) -> list[Ranking]:
        return self._reranker.rank_many(*documents_of(bodies), progress=False)
