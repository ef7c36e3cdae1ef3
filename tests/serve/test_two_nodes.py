"""The application on a Ray cluster of two nodes, one of which is lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.serve.cluster import configuration, ray_serve, replicas, save_model, until
from tests.serve.load import Load, documents

pytest.importorskip("ray")
# Ray and what it imports warn of themselves.
pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
CLIENTS = 6


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": True})
    try:
        yield found
    finally:
        found.shutdown()


def test_a_node_that_is_lost_under_load(cluster: Any, tmp_path_factory: Any) -> None:
    base = save_model(tmp_path_factory.mktemp("models") / "base")
    worker = cluster.add_node(num_cpus=1)
    found = configuration({"model": str(base)}, num_replicas=2, max_replicas_per_node=1)
    with ray_serve(found, address=cluster.address) as address:
        before = replicas()
        body = {"query": "which number?", "documents": documents(300), "timeout": 60}
        load = Load(address, body)
        with load.running(CLIENTS):
            until(lambda: load.statuses()[200] >= CLIENTS, 120)
            cluster.remove_node(worker, allow_graceful=False)
            until(lambda: len(replicas()) == 1, 60)
            answered = load.statuses()[200]
            until(lambda: load.statuses()[200] >= answered + CLIENTS, 120)
            cluster.add_node(num_cpus=1)
            until(lambda: len(replicas()) == 2, 120)
        assert len(before.keys() & replicas().keys()) == 1
        assert all(outcome.honest for outcome in load.outcomes), load.statuses()
        assert max(outcome.seconds for outcome in load.outcomes) < 60
