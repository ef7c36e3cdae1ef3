"""The deployment: ingress and engine in one replica.

`serve run serve.app:app` reads its settings from the environment; a configuration in YAML names
`serve.app:build`, whose arguments are those of `ServeSettings`.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from reranker import __version__
from serve.autoscaling import WINDOWS
from serve.configuration import read_limits, read_settings
from serve.http import create_app
from serve.logs import configure, event
from serve.ray_metrics import RayMetrics
from serve.request import RerankRequest, RerankResponse
from serve.samples import samples_router
from serve.service import Service
from serve.settings import ServeSettings
from serve.tracing import exporting

# What a replica is given beyond the longest deadline, to hand its last answers out.
GRACE_SECONDS = 10.0

log = logging.getLogger(__name__)


class ReplicaService(Service):
    """A service that tells Ray which adapters it holds, so that requests for them find it.

    Ray keeps the names as `Models` keeps the rerankers: as many, and the last asked for.
    """

    def __init__(self, settings: ServeSettings, metrics: RayMetrics) -> None:
        super().__init__(settings, metrics=metrics)

        async def hold(adapter: str) -> str:
            return adapter

        self._hold = serve.multiplexed(max_num_models_per_replica=settings.max_adapters)(hold)

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        """Rank with what the request's `model` names; a header that names another only led here."""
        if request.model in self.settings.adapters:
            await self._hold(request.model)
        return await super().rerank(request)


@serve.deployment(
    name="Reranker",
    # Ray's own limits are the outer net: admission refuses before, in JSON, by cost.
    max_ongoing_requests=256,
    max_queued_requests=256,
    backpressure_config={"status_code": 429, "retry_after_s": 1},
    # A replica that was killed is noticed at the next check.
    health_check_period_s=2,
    health_check_timeout_s=30,
    graceful_shutdown_wait_loop_s=0.5,
)
@serve.ingress()
class Replica:
    """One model on one device, and the HTTP application before it.

    Args:
        settings: of the service.
    """

    async def __init__(self, settings: ServeSettings) -> None:  # type: ignore[misc]
        configure(settings.log_level)
        self._metrics = RayMetrics()
        self._draining = False
        self.service = ReplicaService(settings, self._metrics)
        self._traces = exporting() if settings.otel else None
        await self.service.start()

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The HTTP application, once the model is loaded."""
        settings = self.service.settings
        collection = settings.collection and Path(settings.collection)
        routers = [samples_router(self.service, collection or None)]
        traces = self._traces
        tracer = None if traces is None else traces.get_tracer("serve", __version__)
        return create_app(
            self.service, routers=routers, origins=settings.cors_origins, tracer=tracer
        )

    def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Put other limits in force, without a restart.

        Raises:
            SettingsError: for limits that make no sense; Ray then ends the replica.
        """
        self.service.reconfigure(read_limits(user_config, self.service.settings.limits))
        event(log, "reconfigured", {"limits": self.service.limits.model_dump()})

    async def check_health(self) -> None:
        """Fail where the engine is silent or reads nothing; Ray then replaces the replica."""
        if not (self._draining or self.service.healthy):
            seconds = self.service.settings.health_s
            raise RuntimeError(
                f"no pass was begun or looked for in the last {seconds} s, or the device has "
                "broken down; see the log"
            )

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What `serve.autoscaling` goes by."""
        windows, _ = self._metrics.depth()
        return {WINDOWS: float(windows)}

    async def drain(self) -> bool:
        """Take no more requests in and end those that were; whether all have ended in time."""
        self._draining = True
        return await self.service.stop()

    async def __del__(self) -> None:
        """Stop the engine thread; Ray calls it once the last request has been answered."""
        if not self._draining:
            await self.drain()
        if self._traces is not None:
            await asyncio.to_thread(self._traces.shutdown)


def bound(settings: ServeSettings, **options: Any) -> Application:
    """The application of these settings, its deployment with these options of Ray Serve's."""
    # No accepted request is cut off, however long it may take.
    seconds = settings.limits.max_timeout_s + GRACE_SECONDS
    deployment = Replica.options(graceful_shutdown_timeout_s=seconds, **options)  # type: ignore[attr-defined]
    application: Application = deployment.bind(settings)
    return application


def build(settings: ServeSettings) -> Application:
    """The application, for a configuration in YAML: its `args` are the settings."""
    return bound(settings)


def __getattr__(name: str) -> Any:
    # Read when asked for, so that importing the module reads no environment.
    if name == "app":
        return build(read_settings())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
