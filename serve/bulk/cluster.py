"""The cluster: where the rankers run, and how much of it each is given."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from reranker.errors import MissingExtraError, RerankerError

PANEL = "Cluster"
LOCAL = "local"
_CLIENT = "ray://"
log = logging.getLogger(__name__)
_HOUSE = Path(__file__).parents[2]


def _option(metavar: str, text: str, **settings: Any) -> Any:
    return typer.Option(metavar=metavar, help=text, rich_help_panel=PANEL, **settings)


@dataclass(frozen=True, slots=True)
class Share:
    """How many rankers there are, and how many GPUs and processor cores each has to itself."""

    replicas: int
    gpus: float
    cpus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """The Ray cluster, and what is used of it."""

    address: Annotated[
        str,
        _option(
            "ADDRESS",
            "The cluster's HOST:PORT, or auto where this machine is of it; local starts one.",
            envvar="RAY_ADDRESS",
        ),
    ] = LOCAL
    replicas: Annotated[
        int | None, _option("N", "Models at work; else one for each GPU there is, or one.", min=1)
    ] = None
    gpus: Annotated[
        float | None,
        _option("F", "GPUs of a replica, such as 0.5; else 1 where there are any.", min=0.0),
    ] = None
    cpus: Annotated[
        float | None,
        _option("F", "Cores of a replica; else 1, or its part of this machine's.", min=0.0),
    ] = None

    @contextmanager
    def connected(self, *, verbose: bool) -> Iterator[None]:
        """Within the cluster, which is left again if it was entered here.

        Raises:
            MissingExtraError: where Ray Data is not installed.
            RerankerError: for a cluster that cannot be used.
        """
        if self.address.startswith(_CLIENT):
            raise RerankerError(
                f"{self.address} is an address of Ray Client, through which Ray Data does not "
                "work; start the command on a node of the cluster, or with ray job submit"
            )
        ray = _imported()
        if not verbose:
            _quiet()
        if ray.is_initialized():
            yield
            return
        try:
            ray.init(**self._init(verbose))
        except Exception as error:
            raise RerankerError(f"Ray at {self.address!r} cannot be used: {error}") from error
        try:
            yield
        finally:
            ray.shutdown()

    def share(self, *, device: str | None) -> Share:
        """What each ranker gets of the cluster that is connected.

        Raises:
            RerankerError: where this machine has no room for one; a cluster may still grow.
        """
        there = _imported().cluster_resources()
        wanted = float(bool(there.get("GPU")) and device != "cpu")
        gpus = wanted if self.gpus is None else self.gpus
        replicas = self.replicas or max(1, int(there.get("GPU", 0) // gpus) if gpus else 1)
        part = there.get("CPU", 1) // replicas if self.address == LOCAL and not gpus else 1.0
        share = Share(replicas, gpus, part if self.cpus is None else self.cpus)
        if share.gpus > there.get("GPU", 0) or share.cpus > there.get("CPU", 0):
            told = (
                f"a replica takes {share.gpus:g} GPUs and {share.cpus:g} cores, and there are "
                f"{there.get('GPU', 0):g} and {there.get('CPU', 0):g}"
            )
            if self.address == LOCAL:
                raise RerankerError(f"{told}; give fewer with --gpus and --cpus")
            log.warning("%s: waiting for the cluster to grow", told)
        return share

    def _init(self, verbose: bool) -> dict[str, Any]:
        options: dict[str, Any] = {
            "address": self.address,
            "log_to_driver": verbose,
            "logging_level": logging.INFO if verbose else logging.ERROR,
        }
        if self.address == LOCAL:
            return options | {"include_dashboard": False}
        code = [str(_HOUSE / room) for room in ("reranker", "serve")]
        return options | {"runtime_env": {"py_modules": code}}


def _imported() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("ray[data]", "serve", "bulk reranking") from error
    return ray


def _quiet() -> None:
    """Keep what is no news out of the progress bar."""
    # Ray calls its own way of starting actors an error.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    # That its own bars are off.
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    # What ends a job is told by its last line.
    logging.getLogger("ray.data.exceptions").setLevel(logging.CRITICAL)
