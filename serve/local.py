"""The service on one machine: a Ray of its own, from the first request to the last."""

import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from reranker.errors import RerankerError
from serve.logs import failure
from serve.proxy import CALLBACK, CALLBACK_VARIABLE
from serve.settings import ServeSettings

APPLICATION = "reranker"
LOOPBACK = "127.0.0.1"
_HOUSE = Path(__file__).parents[1]

log = logging.getLogger(__name__)


def serve_here(
    settings: ServeSettings,
    *,
    host: str = LOOPBACK,
    port: int = 8000,
    replicas: int = 1,
    dashboard: bool = False,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then end what was taken in.

    Args:
        settings: of the service.
        host, port: where HTTP listens.
        replicas: how many, each with a model of its own; they share the processor.
        dashboard: whether to start Ray's dashboard, which runs code for whoever reaches it.
        ready: told the address once requests are taken in.

    Raises:
        RerankerError: for a port that is taken, or a replica that does not start.
    """
    check_free(host, port)
    _set_environment(replicas)
    import ray
    from ray import serve

    try:
        _start(settings, host=host, port=port, replicas=replicas, dashboard=dashboard)
        ready(f"http://{host}:{port}")
        signal.pause()
    except KeyboardInterrupt:
        _drain(settings)
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _start(
    settings: ServeSettings, *, host: str, port: int, replicas: int, dashboard: bool
) -> None:
    import ray
    from ray import serve

    from serve.app import GRACE_SECONDS, bound

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    ray.init(
        address="local",
        include_dashboard=dashboard,
        dashboard_host=LOOPBACK,
        logging_level=logging.WARNING,
    )
    # Ray has put a handler of its own there, and a shell may have had Ctrl-C ignored.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.default_int_handler)
    seconds = settings.limits.max_timeout_s + GRACE_SECONDS
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": host, "port": port, "request_timeout_s": seconds},
    )
    # Without a processor of its own a replica starts on any machine.
    options = {"num_replicas": replicas, "ray_actor_options": {"num_cpus": 0}}
    try:
        serve.run(bound(settings, **options), name=APPLICATION)
    except RuntimeError as error:
        raise RerankerError(f"the service did not start: {_reason() or error}") from None


def _reason() -> str:
    """The last line of what brought the first replicas down, such as a `ModelError`."""
    from ray import serve

    application = serve.status().applications.get(APPLICATION)
    messages = [each.message for each in application.deployments.values()] if application else []
    lines = "\n".join(messages).strip().splitlines()
    return lines[-1] if lines else ""


def _drain(settings: ServeSettings) -> None:
    """Let the replicas answer what they have taken in; what comes now is refused by them."""
    from ray import serve
    from ray.serve.exceptions import RayServeException

    try:
        handle = serve.get_app_handle(APPLICATION)
        seconds = settings.drain_s + 10.0
        handle.broadcast("drain").results(timeout_s=seconds, return_exceptions=True)
        # Returns once they have handed the last answer to the proxy.
        serve.delete(APPLICATION)
    except (RayServeException, TimeoutError) as error:
        failure(log, "not drained", error)


def check_free(host: str, port: int) -> None:
    """Refuse a port that is taken: Ray shares it, so that two services would take turns.

    Raises:
        RerankerError: for a port that cannot be listened on.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RerankerError(
                f"{host}:{port} cannot be listened on ({error.strerror}); give another port with "
                "--port, or stop what listens there"
            ) from None


def _set_environment(replicas: int) -> None:
    """What Ray's processes inherit; whatever is set already stays."""
    threads = max(1, (os.cpu_count() or 1) // replicas)
    path = os.pathsep.join(filter(None, [str(_HOUSE), os.environ.get("PYTHONPATH")]))
    os.environ["PYTHONPATH"] = path
    for name, value in {
        CALLBACK_VARIABLE: CALLBACK,
        # Ray would give a replica that asks for no processor one thread.
        "OMP_NUM_THREADS": str(threads),
        "RAY_SERVE_LOG_TO_STDERR": "0",
        # Its lines are JSON: none is to be folded into another.
        "RAY_DEDUP_LOGS": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }.items():
        os.environ.setdefault(name, value)
