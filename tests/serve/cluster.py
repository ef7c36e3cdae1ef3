"""The application on a Ray of the test's own, over the tiny model."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.serve.house import SETTINGS
from tests.tiny import save_tiny, tiny_model, tiny_tokenizer

NAME = "reranker"
HOUSE = Path(__file__).parents[2]
DEPLOY = HOUSE / "serve" / "deploy"


def save_model(folder: Path) -> Path:
    """The tiny model in a folder, with the settings that it is read with."""
    save_tiny(folder)
    SETTINGS.write(folder)
    return folder


def save_adapter(folder: Path, base: Path, scale: float = 0.3) -> Path:
    """A LoRA adapter of the tiny model that changes its scores, by its scale."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(tiny_model(tiny_tokenizer()), config)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.linspace(-scale, scale, weight.numel()).reshape(weight.shape))
    adapted.save_pretrained(folder, save_embedding_layers=False)
    path = folder / "adapter_config.json"
    values = {**json.loads(path.read_text()), "base_model_name_or_path": str(base)}
    path.write_text(json.dumps(values))
    return folder


def free_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(args: dict[str, Any], **deployment: Any) -> dict[str, Any]:
    """`local.yaml` with these settings, and these options of its deployment."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "local.yaml").read_text())
    found["http_options"]["port"] = free_port()
    [application] = found["applications"]
    application["args"] = args
    application["deployments"][0].update(ray_actor_options={"num_cpus": 0}, **deployment)
    return found


@contextmanager
def ray_serve(found: dict[str, Any], **init: Any) -> Iterator[str]:
    """A Ray with a configuration deployed; the address where HTTP listens."""
    import ray
    from ray import serve

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(log_to_driver=False, logging_level="ERROR", **init)
    try:
        options = {name: found[name] for name in ("proxy_location", "http_options")}
        serve.start(**options, controller_options=found["controller_options"])
        deploy(found)
        yield f"http://127.0.0.1:{found['http_options']['port']}"
    finally:
        serve.shutdown()
        ray.shutdown()


def deploy(found: dict[str, Any]) -> None:
    """What `serve deploy` does: put a configuration in force, and wait until it is."""
    from ray import serve
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    def running() -> bool:
        application = serve.status().applications.get(NAME)
        assert application is None or application.status != "DEPLOY_FAILED", application
        return application is not None and application.status == "RUNNING"

    _get_global_client().deploy_apps(ServeDeploySchema.model_validate(found))
    until(running, 300)


def replicas() -> dict[str, int]:
    """The replicas that run, and their processes."""
    from ray.serve.context import _get_global_client

    [deployment] = (
        _get_global_client().get_serve_details()["applications"][NAME]["deployments"].values()
    )
    return {
        each["replica_id"]: each["pid"]
        for each in deployment["replicas"]
        if each["state"] == "RUNNING"
    }


def held() -> list[list[str]]:
    """The adapters that each replica has told Ray it holds."""
    import ray
    from ray.serve.context import _get_global_client

    controller = _get_global_client()._controller
    [found] = ray.get(controller._all_running_replicas.remote()).values()
    return sorted(each.multiplexed_model_ids for each in found)


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition; the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - began
