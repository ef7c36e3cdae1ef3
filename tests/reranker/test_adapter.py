import json

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file

from reranker import embedded, source
from reranker.checkpoint import load
from reranker.errors import ModelError
from reranker.settings import Settings
from tests.tiny import save_tiny, tiny_model, tiny_tokenizer

# peft 0.21 reads a property that transformers 5.23 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

ROWS = torch.tensor([[5, 60, 7, 300]])


@pytest.fixture
def base(tmp_path):
    return save_tiny(tmp_path / "base")


def save_adapter(folder, base, *, model=None, rank=4):
    """A LoRA adapter with random weights on both sides; returns the model that carries it."""
    config = LoraConfig(r=rank, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(model or tiny_model(tiny_tokenizer()), config)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.linspace(-0.3, 0.3, weight.numel()).reshape(weight.shape))
    adapted.save_pretrained(folder, save_embedding_layers=False)
    name_base(folder, base)
    return adapted.eval()


def name_base(folder, base):
    path = folder / "adapter_config.json"
    values = {**json.loads(path.read_text()), "base_model_name_or_path": base and str(base)}
    path.write_text(json.dumps(values))


@pytest.fixture
def adapter(tmp_path, base):
    return tmp_path / "adapter", save_adapter(tmp_path / "adapter", base)


def test_a_folder_with_an_adapter_is_merged_into_its_base(adapter, base):
    folder, adapted = adapter
    loaded = load(folder, device="cpu")
    assert loaded.name == str(folder)
    assert torch.allclose(loaded.model(ROWS).logits, adapted(ROWS).logits, atol=1e-5)
    assert not torch.allclose(loaded.model(ROWS).logits, load(base).model(ROWS).logits, atol=1e-2)
    assert not any("lora" in name for name, _ in loaded.model.named_parameters())
    assert not any(weight.requires_grad for weight in loaded.model.parameters())


def test_the_base_and_the_adapter_may_be_given_apart(adapter, base):
    folder, adapted = adapter
    name_base(folder, "somewhere/else")
    loaded = load(base, adapter=folder, device="cpu")
    assert loaded.name == f"{base}+{folder}"
    assert torch.allclose(loaded.model(ROWS).logits, adapted(ROWS).logits, atol=1e-5)


def test_the_base_may_lie_beside_the_adapter(adapter):
    name_base(adapter[0], "../base")
    assert torch.allclose(
        load(adapter[0], device="cpu").model(ROWS).logits, adapter[1](ROWS).logits, atol=1e-5
    )


def test_the_adapters_settings_go_before_the_models(adapter, base):
    Settings(window=5, stride=2).write(base)
    assert load(adapter[0], device="cpu").settings == Settings(window=5, stride=2)
    Settings(window=6, stride=2).write(adapter[0])
    assert load(adapter[0], device="cpu").settings == Settings(window=6, stride=2)


def test_the_adapters_tokenizer_goes_before_the_models(adapter):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "mine"
    tokenizer.save_pretrained(adapter[0])
    assert load(adapter[0], device="cpu").tokenizer.chat_template == "mine"


def test_an_adapter_trained_on_the_embedded_model_finds_it(adapter, base, monkeypatch):
    monkeypatch.setattr(embedded, "embedded_folder", lambda: base)
    name_base(adapter[0], "embedded")
    loaded = load(adapter[0], device="cpu")
    assert torch.allclose(loaded.model(ROWS).logits, adapter[1](ROWS).logits, atol=1e-5)
    assert loaded.settings == embedded.SETTINGS


def test_the_embedded_model_stands_in_for_its_absent_hub_twin(adapter, base, monkeypatch):
    monkeypatch.setattr(embedded, "embedded_folder", lambda: base)
    monkeypatch.setattr(embedded, "is_installed", lambda: True)
    monkeypatch.setattr(source, "cached", lambda name: None)
    name_base(adapter[0], embedded.HUB_NAME)
    assert load(adapter[0], device="cpu").model.name_or_path == "embedded"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"num_hidden_layers": 3}, "the adapter lacks 4 tensor"),
        ({"num_hidden_layers": 1}, "the model has no place for 4 tensor"),
        ({"hidden_size": 48, "head_dim": 12}, "size mismatch"),
    ],
)
def test_an_adapter_of_another_model_is_refused(tmp_path, adapter, change, what):
    from transformers import LlamaForCausalLM

    from tests.tiny import tiny_config

    other = tmp_path / "other"
    config = tiny_config(tiny_tokenizer())
    config.update(change)
    LlamaForCausalLM(config).save_pretrained(other)
    tiny_tokenizer().save_pretrained(other)
    with pytest.raises(ModelError, match=f"does not match the model.*{what}"):
        load(other, adapter=adapter[0], device="cpu")


def test_an_adapter_for_absent_modules_is_refused(adapter, base):
    path = adapter[0] / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "target_modules": ["c_attn"]}))
    with pytest.raises(ModelError, match=r"does not match the model.*c_attn"):
        load(base, adapter=adapter[0], device="cpu")


def test_a_pickled_adapter_is_refused(adapter):
    (adapter[0] / "adapter_model.safetensors").rename(adapter[0] / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"expected adapter_model\.safetensors. Pickles"):
        load(adapter[0], device="cpu")


def test_an_adapter_with_nan_is_refused(adapter):
    path = adapter[0] / "adapter_model.safetensors"
    tensors = load_file(path)
    tensors[max(tensors)][0, 0] = float("nan")
    save_file(tensors, path)
    with pytest.raises(ModelError, match="holds NaN or infinity"):
        load(adapter[0], device="cpu")


def test_weights_of_an_adapter_cut_short_are_refused(adapter):
    path = adapter[0] / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(adapter[0], device="cpu")


def test_virtual_tokens_are_refused(tmp_path, base):
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    get_peft_model(tiny_model(tiny_tokenizer()), config).save_pretrained(
        tmp_path / "prompt", save_embedding_layers=False
    )
    with pytest.raises(ModelError, match="adds virtual tokens"):
        load(base, adapter=tmp_path / "prompt", device="cpu")


def test_two_adapters_are_refused(adapter):
    with pytest.raises(ModelError, match="is itself an adapter"):
        load(adapter[0], adapter=adapter[0], device="cpu")


def test_an_adapter_on_an_adapter_is_refused(tmp_path, adapter, base):
    save_adapter(tmp_path / "second", adapter[0])
    with pytest.raises(ModelError, match="merge that one first"):
        load(tmp_path / "second", device="cpu")


@pytest.mark.parametrize("base_name", [None, ""])
def test_an_adapter_that_names_no_base_is_refused(adapter, base_name):
    name_base(adapter[0], base_name)
    with pytest.raises(ModelError, match="names no base model"):
        load(adapter[0], device="cpu")


def test_a_broken_adapter_config_is_refused(adapter):
    (adapter[0] / "adapter_config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        load(adapter[0], device="cpu")


def test_a_folder_that_is_no_adapter_is_refused(base):
    with pytest.raises(ModelError, match="expected an adapter"):
        load(base, adapter=base, device="cpu")


def test_half_precision_merges_too(adapter):
    loaded = load(adapter[0], dtype="bf16", device="cpu")
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.bfloat16}


def test_merging_is_quiet(adapter, capfd):
    load(adapter[0], device="cpu")
    assert capfd.readouterr() == ("", "")
