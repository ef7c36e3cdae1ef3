"""The servers under load: `python -m benchmarks.serve.process PORT NAME…`, one a process.

- `plain`: FastAPI and uvicorn, one request at a time;
- `queue`: the service without Ray, its window queue under uvicorn;
- `ray`: the service under Ray Serve, at `/ray`;
- `batch`: `@serve.batch` under Ray Serve, at `/batch`.

The last two may share a process, and with it a Ray. All read `RERANKER_SERVE_…`: the model, its
type and its settings are the same.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI

from benchmarks.serve.plain import create_plain
from serve.configuration import read_settings
from serve.http import create_app
from serve.loader import Loader
from serve.local import LOOPBACK
from serve.proxy import CALLBACK, CALLBACK_VARIABLE
from serve.service import Service
from serve.settings import ServeSettings

PLAIN, QUEUE, RAY, BATCH = "plain", "queue", "ray", "batch"
NAMES = (PLAIN, BATCH, QUEUE, RAY)
UNDER_RAY = frozenset({RAY, BATCH})


def main(port: int, names: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    settings = read_settings()
    if UNDER_RAY.issuperset(names):
        serve_ray(settings, port, names)
    elif list(names) == [QUEUE]:
        asyncio.run(serve_queue(settings, port))
    else:
        asyncio.run(_listen(create_plain(Loader()(settings, None)), port))


async def serve_queue(settings: ServeSettings, port: int) -> None:
    """The service, as its replica runs it, without Ray before it."""
    service = Service(settings)
    await service.start()
    try:
        await _listen(create_app(service), port)
    finally:
        await service.stop(0.0)


def serve_ray(settings: ServeSettings, port: int, names: Sequence[str]) -> None:
    """A Ray of its own, with what is named deployed on it."""
    os.environ.setdefault(CALLBACK_VARIABLE, CALLBACK)
    import ray
    from ray import serve

    ray.init(address="local", include_dashboard=False, logging_level=logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve.start(proxy_location="HeadOnly", http_options={"host": LOOPBACK, "port": port})
        for name in names:
            _deploy(name, settings)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _deploy(name: str, settings: ServeSettings) -> None:
    from ray import serve

    # Without a processor of its own a replica starts on any machine.
    options = {"ray_actor_options": {"num_cpus": 0}}
    if name == RAY:
        from serve.app import bound

        serve.run(bound(settings, **options), name=name, route_prefix=f"/{name}")
        return
    from benchmarks.serve.batch import Batch

    application = Batch.options(**options).bind(settings)  # type: ignore[attr-defined]
    serve.run(application, name=name, route_prefix=f"/{name}")


async def _listen(app: FastAPI, port: int) -> None:
    config = uvicorn.Config(app, host=LOOPBACK, port=port, log_level="warning", lifespan="off")
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
