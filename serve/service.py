"""The service: requests in, rankings out; knows nothing of HTTP, nor of Ray."""

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import reranker as library
from reranker.errors import InputError
from serve.admission import Admission
from serve.course import Course
from serve.errors import Refusal, ServiceError
from serve.keys import ApiKeys
from serve.loader import Loader
from serve.logs import event, failure
from serve.metrics import Metrics, PrometheusMetrics
from serve.models import Load, Models
from serve.request import RerankRequest, RerankResponse
from serve.settings import Limits, ServeSettings
from serve.work import too_late
from serve.worker import Worker

log = logging.getLogger(__name__)


class Service:
    """Answers reranking requests, all of them over one engine thread.

    Args:
        settings: from the environment when not given.
        metrics: Prometheus' in a registry of their own when not given.
        load: loads a reranker; a `Loader` when not given.

    `keys` guard it, wherever requests come from; `metrics` are told of refusals made there.
    """

    def __init__(
        self,
        settings: ServeSettings | None = None,
        *,
        metrics: Metrics | None = None,
        load: Load | None = None,
    ) -> None:
        self.settings = settings or ServeSettings()
        self.metrics = metrics or PrometheusMetrics()
        self.keys = ApiKeys(self.settings.api_keys)
        self._worker = Worker(self.metrics)
        self._admission = Admission(self.settings.limits, self._worker)
        self._models = Models(self.settings, load or Loader())
        self._pool = ThreadPoolExecutor(self.settings.tokenise_threads, "tokenise")
        self._course = Course(self._admission, self._models, self._worker, self._pool)

    @property
    def ready(self) -> bool:
        """Whether requests are taken in."""
        return self._admission.ready

    @property
    def healthy(self) -> bool:
        """Whether the engine gave a sign of life in the last `health_s` seconds, and reads."""
        return self._worker.healthy(self.settings.health_s)

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._admission.limits

    def reconfigure(self, limits: Limits) -> None:
        """Put other limits in force, for the requests that come from now on."""
        self._admission.limits = limits

    async def start(self) -> None:
        """Load the model, read a first window with it, and take requests in.

        Raises:
            RerankerError: for a model that cannot be loaded or read.
        """
        self._worker.start()
        try:
            await asyncio.wrap_future(self._worker.run(self._load))
        except BaseException:
            await self.stop(0.0)
            raise
        self._admission.open()
        event(log, "ready", {"model": self._models.name})

    async def stop(self, drain_seconds: float | None = None) -> bool:
        """Take no more requests in, end those that were taken in, and stop the engine thread.

        Args:
            drain_seconds: how long they have, `drain_s` when not given; after it, those that are
                left are refused as not ready.

        Returns:
            Whether all have ended in time.
        """
        seconds = self.settings.drain_s if drain_seconds is None else drain_seconds
        drained = await self._admission.drain(seconds)
        await asyncio.to_thread(self._worker.stop)
        if drained:
            # Else the requests that are left have yet to find that the engine thread has gone.
            self._pool.shutdown(wait=False)
        event(log, "stopped", {"drained": drained})
        return drained

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        """Rank a request's passages; cancelling the call drops its work.

        Scores are the library's where `raw_scores` asks for them, and else `unit_scores` of them.

        Raises:
            ServiceError: saying why it is not answered.
        """
        started = time.monotonic() if request.arrived is None else request.arrived
        try:
            response = await self._in_time(request, started)
        except asyncio.CancelledError:
            self._refused(request, Refusal.CLIENT_GONE, started)
            raise
        except Exception as error:
            refusal = _refusal(error)
            if refusal.refusal is Refusal.FAILED:
                failure(log, "request failed", error, id=request.id)
            self._refused(request, refusal.refusal, started)
            raise refusal from None
        self.metrics.answered(response.milliseconds)
        told = {"windows": response.windows, "tokens": response.prompt_tokens}
        self._log(request, "ok", {**told, "milliseconds": response.milliseconds})
        return response

    def info(self) -> Mapping[str, object]:
        """What the service is and what it takes, fit for JSON.

        Raises:
            ServiceError: NOT_READY, before the model is loaded.
        """
        reranker = self._models.default
        settings = reranker.settings
        return {
            "model": self._models.name,
            "adapters": list(self.settings.adapters),
            "version": library.__version__,
            "layout": "template" if settings.template else settings.layout,
            "strategy": settings.strategy,
            "window": settings.window,
            "stride": settings.stride,
            "passes": settings.passes,
            "identifiers": len(reranker.identifiers),
            "passage_tokens": settings.passage_tokens,
            "query_tokens": settings.query_tokens,
            "absolute": settings.absolute,
            "prior": settings.prior,
            "likelihood": settings.likelihood,
            "cut_query": settings.cut_query,
            "window_tokens": reranker.window_tokens,
            "batch_tokens": reranker.engine.batch_tokens,
            "device": str(reranker.engine.device),
            "limits": self.limits.model_dump(),
        }

    def _load(self) -> None:
        reranker = self._models.load_default()
        count = min(reranker.settings.window, len(reranker.identifiers))
        passages = ["a first passage, to measure by"] * count
        # Only the second reading shows the speed: the first one makes what the others reuse.
        reranker.rank("warm up", passages)
        started = time.monotonic()
        tokens = reranker.rank("warm up", passages).explain().tokens
        self._worker.rate.add(tokens, time.monotonic() - started)
        self._worker.probe = lambda: reranker.rank("warm up", passages[:2])

    async def _in_time(self, request: RerankRequest, started: float) -> RerankResponse:
        limits = self.limits
        asked = limits.default_timeout_s if request.timeout is None else request.timeout
        seconds = min(asked, limits.max_timeout_s)
        deadline = started + seconds
        left = deadline - time.monotonic()
        if not left > 0:
            raise too_late()
        try:
            async with asyncio.timeout(left) as scope:
                return await self._course.run(request, deadline)
        except TimeoutError:
            if not scope.expired():
                raise
            raise too_late() from None

    def _refused(self, request: RerankRequest, refusal: Refusal, started: float) -> None:
        self.metrics.refused(refusal)
        milliseconds = {"total": round(1000 * (time.monotonic() - started), 3)}
        self._log(request, refusal.name.lower(), {"milliseconds": milliseconds})

    def _log(self, request: RerankRequest, outcome: str, fields: Mapping[str, object]) -> None:
        told = {"id": request.id, "outcome": outcome, "documents": len(request.passages)}
        event(log, "request", {**told, **fields})


def _refusal(error: Exception) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, InputError):
        return ServiceError(Refusal.UNPROCESSABLE, str(error))
    return ServiceError(
        Refusal.FAILED,
        f"the service failed on this request ({type(error).__name__}); the log names the place "
        "under the request's id, and other requests are not affected",
    )
