"""`python -m serve`, as an operator starts and stops it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reranker.errors import RerankerError
from serve.local import serve_here
from serve.settings import ServeSettings
from tests.serve.cluster import HOUSE, free_port, save_model, until
from tests.serve.load import Load, documents

CLIENTS = 5
COUNT = 400


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command's process, and the address that it told."""
    pytest.importorskip("ray")
    settings = {
        "MODEL": str(save_model(tmp_path / "tiny")),
        # However slow the machine is, nothing but the signal is to refuse a request.
        "DRAIN_S": "500",
        "LIMITS__DEFAULT_TIMEOUT_S": "600",
        "LIMITS__MAX_QUEUED_S": "1e9",
    }
    environment = {f"RERANKER_SERVE_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "serve", "--port", str(free_port())]
    with (
        (tmp_path / "stderr").open("w") as errors,
        subprocess.Popen(
            command,
            cwd=HOUSE,
            env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready: http://127.0.0.1:"), (tmp_path / "stderr").read_text()
            yield process, line.split()[1]
        finally:
            process.terminate()


def queued(address: str) -> int:
    """Windows in the queue."""
    lines = httpx.get(f"{address}/metrics", timeout=120).text.splitlines()
    return int(float(next(x for x in lines if x.startswith("reranker_queue_windows ")).split()[1]))


@pytest.mark.ray
def test_sigterm_under_load_loses_nothing_that_was_taken_in(served: Any) -> None:
    process, address = served
    load = Load(address, {"query": "which number?", "documents": documents(COUNT)})
    with load.running(CLIENTS):
        # A window has 6 passages and moves on by 3: so many are of four requests at least.
        until(lambda: queued(address) > (CLIENTS - 2) * COUNT / 3, 120)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0
    taken = [outcome for outcome in load.outcomes if outcome.began < told]
    assert sum(outcome.began + outcome.seconds > told for outcome in taken) >= 4
    assert [outcome.status for outcome in taken] == [200] * len(taken)
    assert all(len(o.response.json()["results"]) == COUNT for o in taken if o.response)
    later = [outcome for outcome in load.outcomes if outcome.began >= told]
    assert any(outcome.status == 503 for outcome in later)
    # Once nothing listens any longer the connection fails; before, every request is answered.
    assert all(outcome.honest or outcome.status == 0 for outcome in later)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RerankerError, match=rf"127.0.0.1:{port} cannot be listened on"):
            serve_here(ServeSettings(), port=port, ready=print)
