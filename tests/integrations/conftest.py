"""Rankers of the tiny model: the service's client, and the library where torch is installed.

Frameworks live in environments of their own, without the library's dependencies:
`RERANKER_PYTHON` names a Python that has them, and serves.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reranker.client import Client

ROOT = Path(__file__).parents[2]
KEY = "a key of the tests"
QUERY = "which number?"
TEXTS = [f"passage number {word}" for word in ("one", "two", "three", "four", "five", "six")]


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    python = os.environ.get("RERANKER_PYTHON", sys.executable)
    command = [python, "-m", "tests.integrations.endpoint", KEY]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        port = process.stdout.readline().strip()
        assert port, "the service did not start"
        yield f"http://127.0.0.1:{port}"
        process.stdin.close()


@pytest.fixture(scope="session")
def client(address: str) -> Iterator[Client]:
    with Client(address, api_key=KEY) as client:
        yield client


@pytest.fixture(scope="session", params=["client", "reranker"])
def ranker(request: pytest.FixtureRequest) -> Any:
    if request.param == "client":
        return request.getfixturevalue("client")
    pytest.importorskip("torch")
    from tests.serve.house import tiny_reranker

    return tiny_reranker()


@pytest.fixture
def order(ranker: Any) -> list[int]:
    """Places of the texts, best first."""
    places = [passage.index for passage in ranker.rank(QUERY, TEXTS)]
    assert places != sorted(places), "a reranking that moves nothing shows nothing"
    return places


@pytest.fixture
def scores(ranker: Any) -> list[float]:
    """The logits, best first, as close as the machine repeats them."""
    logits = [passage.score for passage in ranker.rank(QUERY, TEXTS)]
    return pytest.approx(logits, abs=1e-4)
