"""A server that each client is pointed at.

Clients live in environments of their own, without the service: `RERANKER_PYTHON` names a Python
that has it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Endpoint:
    url: str
    key: str = "a key of the tests"
    query: str = "how is a file read?"
    documents: tuple[str, ...] = ("lists are sorted", "a file is read by lines", "a file")
    best_first: tuple[int, ...] = (1, 2, 0)
    scores: tuple[float, ...] = (1.0, 0.5, 1 / 3)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    python = os.environ.get("RERANKER_PYTHON", sys.executable)
    command = [python, "-m", "tests.serve.clients.endpoint"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        port = process.stdout.readline().strip()
        assert port, "the server did not start"
        yield Endpoint(f"http://127.0.0.1:{port}")
        process.stdin.close()
