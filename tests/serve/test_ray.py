"""The application on Ray Serve, with two replicas over the tiny model."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from reranker.reranker import Reranker
from serve.settings import Limits
from tests.serve.cluster import (
    configuration,
    deploy,
    held,
    ray_serve,
    replicas,
    save_adapter,
    save_model,
    until,
)
from tests.serve.collector import collector
from tests.serve.load import Load, documents

pytest.importorskip("ray")
# Ray and what it imports warn of themselves.
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]
QUERY = "which number?"
CLIENTS = 6


@dataclass(frozen=True)
class Running:
    """The application as it runs, its traces, and the seconds that its replicas took to start."""

    address: str
    configuration: dict[str, Any]
    traces: list[tuple[str, Any, bytes]]
    started: float

    @property
    def base(self) -> str:
        """The model's folder."""
        return str(self.configuration["applications"][0]["args"]["model"])

    @property
    def adapter(self) -> str:
        """The adapter's folder."""
        return str(self.configuration["applications"][0]["args"]["adapters"]["other"])

    def limit(self, **limits: int) -> None:
        """Deploy the same with another `user_config`."""
        [application] = self.configuration["applications"]
        application["deployments"][0]["user_config"] = limits
        deploy(self.configuration)

    def rank(self, count: int, **options: Any) -> httpx.Response:
        """Ask for a reranking of so many documents."""
        headers = options.pop("headers", {})
        body = {"query": QUERY, "passages": documents(count), **options}
        return httpx.post(f"{self.address}/rank", json=body, headers=headers, timeout=120)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    base = save_model(folder / "base")
    adapter = save_adapter(folder / "adapter", base)
    args = {"model": str(base), "adapters": {"other": str(adapter)}, "otel": True}
    found = configuration(args, num_replicas=2)
    with collector() as (port, traces), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        began = time.monotonic()
        with ray_serve(found, address="local", include_dashboard=False) as address:
            yield Running(address, found, traces, time.monotonic() - began)


def scores_of(response: httpx.Response) -> list[tuple[int, float]]:
    assert response.status_code == 200, response.text
    return [(each["index"], each["score"]) for each in response.json()["results"]]


def expected(reranker: Reranker, count: int) -> list[tuple[int, float]]:
    return [(each.index, each.score) for each in reranker.rank(QUERY, documents(count))]


def close(found: list[tuple[int, float]], wanted: list[tuple[int, float]]) -> bool:
    return [index for index, _ in found] == [index for index, _ in wanted] and [
        score for _, score in found
    ] == pytest.approx([score for _, score in wanted], abs=1e-5)


def test_answers_equal_the_librarys_whatever_shares_the_pass(running: Running) -> None:
    reranker = Reranker(running.base)
    counts = [1, 2, 5, 6, 7, 20, 41, 13]
    with ThreadPoolExecutor(len(counts)) as pool:
        answers = list(pool.map(lambda count: running.rank(count, raw_scores=True), counts))
    for count, answer in zip(counts, answers, strict=True):
        assert close(scores_of(answer), expected(reranker, count))
        assert len(answer.headers.get_list("x-request-id")) == 1


def test_the_page_its_files_and_its_samples_are_served(running: Running) -> None:
    for path in ("/", "/docs", "/openapi.json", "/readyz", "/healthz", "/samples", "/metrics"):
        assert httpx.get(running.address + path, timeout=30).status_code == 200, path


def test_an_adapter_ranks_where_the_body_names_it(running: Running) -> None:
    adapted = Reranker(running.base, adapter=running.adapter)
    plain = Reranker(running.base)
    assert not close(expected(adapted, 9), expected(plain, 9))
    headers = {"serve_multiplexed_model_id": "other"}
    options = {"raw_scores": True, "headers": headers}
    # The body decides, the header only leads the way.
    assert close(scores_of(running.rank(9, **options)), expected(plain, 9))
    assert held() == [[], []]
    assert close(scores_of(running.rank(9, model="other", **options)), expected(adapted, 9))
    until(lambda: held() != [[], []], 30)
    for _ in range(6):
        assert running.rank(9, model="other", headers=headers).status_code == 200
    # They all went where it is held already.
    assert held() == [[], ["other"]]


def test_replicas_export_their_traces(running: Running) -> None:
    assert running.rank(5, headers={"x-request-id": "a-traced-one"}).status_code == 200
    until(lambda: any(b"a-traced-one" in body for _, _, body in running.traces), 30)


def test_limits_change_without_a_restart(running: Running) -> None:
    before = replicas()
    assert running.rank(5).status_code == 200
    running.limit(max_documents=4)
    assert running.rank(5).status_code == 422
    limits = httpx.get(f"{running.address}/info", timeout=30).json()["limits"]
    assert limits == Limits(max_documents=4).model_dump()
    running.limit()
    assert running.rank(5).status_code == 200
    assert replicas() == before


def test_a_replica_that_is_killed_under_load(running: Running) -> None:
    before = replicas()
    body = {"query": QUERY, "documents": documents(300), "timeout": 60}
    load = Load(running.address, body)

    with load.running(CLIENTS):
        until(lambda: load.statuses()[200] >= CLIENTS, 120)
        os.kill(next(iter(before.values())), signal.SIGKILL)
        # A machine on which it takes longer to start one is given as much longer.
        limit = max(30.0, 2 * running.started)
        until(lambda: replicas().keys() != before.keys() and len(replicas()) == 2, limit)
    assert all(outcome.honest for outcome in load.outcomes), load.statuses()
    assert load.statuses()[503] >= 1
    assert max(outcome.seconds for outcome in load.outcomes) < 60
    assert running.rank(5).status_code == 200
