"""The servers under load, started, waited for, looked at and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped]

from benchmarks.serve.load import Target
from benchmarks.serve.plain import PATH
from benchmarks.serve.process import NAMES, UNDER_RAY
from reranker.cli.terminal import one_line
from reranker.errors import InputError, RerankerError
from serve.local import LOOPBACK
from serve.settings import PREFIX

_HOUSE = Path(__file__).parents[2]
_START_SECONDS = 300.0
_STOP_SECONDS = 30.0
_WARM_UP = {"query": "warm up", "documents": ["a first passage", "a second passage"]}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # Ray's processes would give way to all others, such as the servers beside them.
    "RAY_worker_niceness": "0",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: where load is put on it, and its process."""

    target: Target
    pid: int

    @property
    def name(self) -> str:
        """What it is called."""
        return self.target.name

    def memory(self) -> int:
        """Bytes that its process and all below it hold."""
        return sum(map(_resident, _family(self.pid)))


@contextmanager
def running(
    names: Sequence[str], options: Mapping[str, object], *, threads: int
) -> Iterator[list[Server]]:
    """Servers of these names, in their order, for as long as the block runs.

    Args:
        names: of `benchmarks.serve.process`.
        options: settings of the service, by name.
        threads: that each server computes with.

    Raises:
        InputError: for a name that is none.
        RerankerError: for a server that does not start.
    """
    environment = {PREFIX + key.upper(): _written(value) for key, value in options.items()}
    # Ray would give a replica that asks for no processor one thread, whatever the others have.
    environment |= dict.fromkeys(_THREADS, str(threads))
    found: dict[str, Server] = {}
    with ExitStack() as stack:
        for group in _groups(names):
            port = _free_port()
            process = stack.enter_context(_process([str(port), *group], environment))
            for name in group:
                prefix = f"/{name}" if name in UNDER_RAY else ""
                target = Target(name, f"http://{LOOPBACK}:{port}{prefix}{PATH}")
                found[name] = Server(target, process.child.pid)
            for name in group:
                _wait(process, found[name].target)
        yield [found[name] for name in names]


@dataclass(frozen=True, slots=True)
class _Process:
    child: "subprocess.Popen[bytes]"
    log: IO[bytes]

    def told(self) -> str:
        """The last line that it wrote."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").splitlines()
        return one_line(lines[-1]) if lines else "nothing"


def _groups(names: Sequence[str]) -> list[list[str]]:
    """Which servers share a process: those under Ray."""
    if unknown := sorted(set(names) - set(NAMES)):
        raise InputError(f"no server {', '.join(unknown)}; known are {', '.join(NAMES)}")
    ray = [name for name in names if name in UNDER_RAY]
    return [*([name] for name in names if name not in UNDER_RAY), *([ray] if ray else [])]


@contextmanager
def _process(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[_Process]:
    command = [sys.executable, "-m", "benchmarks.serve.process", *arguments]
    path = os.pathsep.join(filter(None, [str(_HOUSE), os.environ.get("PYTHONPATH")]))
    own = _RAY | {"PYTHONPATH": path}
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            command,
            cwd=_HOUSE,
            env=os.environ | own | dict(environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _Process(child, log)
        finally:
            _stop(child)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, and end what is left of it and of what it started."""
    family = _family(child.pid)
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _wait(process: _Process, target: Target) -> None:
    """Wait for a first answer."""
    import httpx

    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if process.child.poll() is not None:
            break
        try:
            found = httpx.post(target.url, json=_WARM_UP, timeout=60, trust_env=False)
        except httpx.HTTPError:
            found = None
        if found is not None and found.status_code == 200:
            return
        time.sleep(0.2)
    raise RerankerError(f"the server {target.name!r} did not start; it wrote: {process.told()}")


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _written(value: object) -> str:
    """A setting as the environment holds it."""
    return value if isinstance(value, str) else json.dumps(value)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
