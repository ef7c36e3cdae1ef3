"""`python -m serve --check`, and the configurations that it reads."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from reranker.errors import RerankerError
from serve.__main__ import app
from serve.check import check
from serve.deployment import read_deployment
from serve.settings import Limits, ServeSettings
from tests.serve.cluster import DEPLOY, free_port, save_adapter, save_model

# Ray warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_model(tmp_path / "base")


def looked(port: int | None = None, **settings: Any) -> tuple[dict[str, str], dict[str, str]]:
    """What was found, and what is wrong, by what was looked at."""
    findings = check(ServeSettings(**settings), port=port or free_port())
    wrong = {each.what: each.error for each in findings if each.error}
    return {each.what: each.found for each in findings if not each.error}, wrong


def collection(folder: Path) -> Path:
    folder.mkdir()
    (folder / "corpus.jsonl").write_text(json.dumps({"_id": "d1", "text": "a passage"}) + "\n")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "a query"}) + "\n")
    return folder


def test_what_would_be_served(tmp_path: Path, base: Path) -> None:
    pytest.importorskip("bm25s")
    adapter = save_adapter(tmp_path / "legal", base)
    found, wrong = looked(
        model=str(base),
        name="house",
        adapters={"legal": str(adapter)},
        adapter_weights="shared",
        overrides={"layout": "blocks", "window": 2},
        cache={"folder": str(tmp_path / "kept"), "memory": 1 << 29},
        collection=str(collection(tmp_path / "texts")),
        api_keys=("a key", "another"),
        device="cpu",
    )
    assert not wrong
    assert found.pop("address").startswith("http://127.0.0.1:")
    assert found == {
        "model": "house: layout blocks, sliding, windows of 2",
        "adapter legal": f"{adapter}, shared weights",
        "device": "cpu, float32",
        "cache": f"0.5 GiB of memory, 64 GiB in {tmp_path / 'kept'}",
        "collection": "texts, 1 passages",
        "keys": "2",
        "tracing": "off",
    }
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("settings", "what", "told"),
    [
        ({"model": "./nonesuch"}, "model", "no file or folder 'nonesuch'"),
        ({"overrides": {"window": 1}}, "model", "window must be at least 2"),
        ({"adapters": {"a": "/nonesuch"}}, "adapter a", "no file or folder '/nonesuch'"),
        ({"adapters": {"a": "EMPTY"}}, "adapter a", "adapter_config.json cannot be read"),
        ({"cache": {}}, "cache", "the model's layout is suffix"),
        ({"cache": {"folder": "FILE/kept"}}, "cache", "no folder that may be written to"),
        ({"collection": "EMPTY"}, "collection", "neither corpus.jsonl nor"),
        ({"device": "cuda:77"}, "device", "'cuda:77' is not on this machine"),
        ({"dtype": "float12"}, "device", "unknown dtype 'float12'"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, base: Path, settings: dict[str, Any], what: str, told: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    text = json.dumps({"model": str(base), **settings})
    text = text.replace("EMPTY", str(tmp_path / "empty")).replace("FILE", str(tmp_path / "file"))
    _, wrong = looked(**json.loads(text))
    assert set(wrong) == {what}
    assert told in wrong[what]


def test_weights_that_are_cut_short_are_told(tmp_path: Path, base: Path) -> None:
    weights = save_adapter(tmp_path / "a", base) / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    _, wrong = looked(model=str(base), adapters={"a": str(tmp_path / "a")})
    assert "cannot be loaded" in wrong["adapter a"]
    (base / "model.safetensors").write_bytes(b"no weights")
    assert "cannot be loaded" in looked(model=str(base))[1]["model"]


def test_a_model_that_lies_elsewhere_is_not_fetched(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.check.cached", lambda name: None)
    adapter = save_adapter(tmp_path / "adapter", base)
    assert looked(model=str(adapter))[0]["model"].startswith(f"{adapter}: layout suffix")
    path = adapter / "adapter_config.json"
    path.write_text(path.read_text().replace(str(base), "some/model"))
    assert "to be fetched" in looked(model=str(adapter))[0]["model"]
    found, wrong = looked(model="some/model", adapters={"a": "some/adapter"}, cache={})
    assert not wrong
    assert found["model"] == "some/model, to be fetched from Hugging Face"
    assert found["adapter a"] == "some/adapter, to be fetched from Hugging Face"


def test_a_port_that_is_taken_is_told(base: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        _, wrong = looked(taken.getsockname()[1], model=str(base))
    assert "cannot be listened on" in wrong["address"]


def test_the_command_ends_by_what_was_found(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["--check", "--port", str(free_port()), "--model", str(base)]
    good = CliRunner().invoke(app, command)
    assert (good.exit_code, "windows of 6" in good.stdout, good.stderr) == (0, True, "")
    monkeypatch.setenv("RERANKER_SERVE_DEVICE", "cuda:77")
    bad = CliRunner().invoke(app, command)
    assert bad.exit_code == 1
    assert bad.stderr.startswith("error: device: device 'cuda:77' is not on this machine")
    assert CliRunner().invoke(app, ["--config", "file"]).exit_code == 2


def written(tmp_path: Path, change: Any, name: str = "cluster.yaml") -> Path:
    """A deploy file, changed."""
    found = yaml.safe_load((DEPLOY / name).read_text())
    [application] = found["applications"]
    change(found, application, application["deployments"][0])
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(found))
    return path


@pytest.mark.parametrize("name", ["local.yaml", "cluster.yaml", "rayservice.yaml"])
def test_what_is_deployed_by_this_house_is_in_order(name: str) -> None:
    pytest.importorskip("ray")
    found = read_deployment(DEPLOY / name)
    assert (found.settings, found.port) == (ServeSettings(), 8000)
    assert found.host == ("127.0.0.1" if name == "local.yaml" else "0.0.0.0")


def test_a_configurations_settings_and_limits(tmp_path: Path) -> None:
    pytest.importorskip("ray")

    def change(found: Any, application: Any, deployment: Any) -> None:
        application["args"] = {"model": "some/model", "limits": {"ageing_s": 7}}
        deployment["user_config"] = {"max_documents": 9, "max_timeout_s": 605}
        deployment["graceful_shutdown_timeout_s"] = 615

    settings = read_deployment(written(tmp_path, change)).settings
    assert settings.model == "some/model"
    assert settings.limits == Limits(ageing_s=7, max_documents=9, max_timeout_s=605)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f, a, d: f.update(aplications=[]), "Ray knows no aplications"),
        (
            lambda f, a, d: d["ray_actor_options"].update(num_gpu=1),
            "no applications.deployments.ray_actor_options.num_gpu",
        ),
        (lambda f, a, d: d["autoscaling_config"].update(max_replica=2), "knows no max_replica"),
        (
            lambda f, a, d: d["autoscaling_config"]["policy"]["policy_kwargs"].update(target=0),
            "policy cannot be used: target must be above 0",
        ),
        (lambda f, a, d: d["autoscaling_config"].update(min_replicas=9), "max_replicas"),
        (lambda f, a, d: d.update(name="Rerank"), "no deployment 'Rerank'"),
        (lambda f, a, d: d.update(user_config={"max_docs": 1}), "user_config: max_docs"),
        (lambda f, a, d: a.update(args={"modle": "x"}), "modle: Extra inputs"),
        (lambda f, a, d: a.update(import_path="other:app"), "found 0 applications"),
        (lambda f, a, d: a.update(import_path="serve.app:app", args={"model": "x"}), "args are"),
        (lambda f, a, d: f["http_options"].update(request_timeout_s=60), "request_timeout_s is 60"),
        (lambda f, a, d: f["http_options"].update(port="x"), "http_options.port"),
        (lambda f, a, d: f.update(kind="RayService"), "found NoneType where"),
        (
            lambda f, a, d: d.update(user_config={"max_timeout_s": 610}),
            "graceful_shutdown_timeout_s is 610 and max_timeout_s 610",
        ),
        (lambda f, a, d: d.update(graceful_shutdown_timeout_s=60), "set the first to 610 or more"),
    ],
)
def test_a_configuration_that_ray_would_not_obey_is_told(
    tmp_path: Path, change: Any, told: str
) -> None:
    pytest.importorskip("ray")
    with pytest.raises(RerankerError) as caught:
        read_deployment(written(tmp_path, change))
    assert told in str(caught.value)


@pytest.mark.parametrize(("text", "told"), [("a: [", "no YAML: an error in line 1"), ("5", "int")])
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str, told: str) -> None:
    pytest.importorskip("ray")
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(RerankerError, match=told):
        read_deployment(tmp_path / "file.yaml")
    with pytest.raises(RerankerError, match="cannot be read"):
        read_deployment(tmp_path / "nonesuch.yaml")
