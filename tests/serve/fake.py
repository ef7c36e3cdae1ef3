"""A service without a model, for tests of what stands before it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from serve.errors import ServiceError
from serve.keys import ApiKeys, digest_of
from serve.metrics import PrometheusMetrics
from serve.request import RerankRequest, RerankResponse, Result
from serve.settings import Limits

KEY = "a key of the tests"
QUERY = "how is a file read?"
DOCUMENTS = ["lists are sorted", "a file is read by lines", "a file"]
BEST_FIRST = [1, 2, 0]


class FakeService:
    """Ranks by words that query and passage share, ties in first-stage order."""

    def __init__(self, *keys: str, limits: Limits | None = None, seconds: float = 0.0) -> None:
        self.keys = ApiKeys(map(digest_of, keys))
        self.metrics = PrometheusMetrics()
        self.limits = limits or Limits()
        self.ready = self.healthy = True
        self.seconds = seconds
        self.asked: list[RerankRequest] = []
        self.cancelled = 0
        self.error: Exception | None = None
        self.warnings: tuple[str, ...] = ()
        self.top_score = 1.0

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        self.asked.append(request)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        results = self._results(request)
        return RerankResponse(
            id=request.id,
            model="fake",
            results=results[: request.top_n],
            prompt_tokens=7 * len(results),
            windows=1,
            warnings=self.warnings,
            milliseconds={"tokenise": 0.5, "engine": 2.0, "total": 3.25},
            explanation={"windows": []} if request.explain else None,
        )

    def info(self) -> Mapping[str, object]:
        return {"model": "fake", "limits": self.limits.model_dump()}

    def refusals(self) -> str:
        """The metrics' lines about requests."""
        lines = self.metrics.render().decode().splitlines()
        return "\n".join(line for line in lines if line.startswith("reranker_requests_total"))

    def _results(self, request: RerankRequest) -> tuple[Result, ...]:
        words = set(request.query.split())
        shared = [len(words & set(passage.text.split())) for passage in request.passages]
        order = sorted(range(len(shared)), key=lambda place: -shared[place])
        top = 40.0 if request.raw_scores else self.top_score
        return tuple(Result(place, top / rank) for rank, place in enumerate(order, start=1))


def refusing(error: ServiceError, *keys: str) -> FakeService:
    service = FakeService(*keys)
    service.error = error
    return service


def with_id(request: RerankRequest) -> RerankRequest:
    """A request without the id that it was given on its way."""
    return replace(request, id="")
