import json

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from reranker.checkpoint import load
from reranker.errors import ModelError
from reranker.reranker import Reranker
from reranker.settings import Settings
from reranker.shared_base import SharedBase
from tests.tiny import save_tiny, tiny_model, tiny_tokenizer

# peft 0.21 reads a property that transformers 5.23 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

SETTINGS = Settings(layout="suffix", window=6, stride=3, passage_tokens=24)
PASSAGES = [f"passage {place} " + "ab " * (place * 7 % 5) for place in range(9)]


def save_adapter(folder, base, targets, **options):
    """A LoRA adapter of the tiny model, with weights that its rank and targets tell apart."""
    config = LoraConfig(target_modules=targets, task_type="CAUSAL_LM", **options)
    adapted = get_peft_model(tiny_model(tiny_tokenizer()), config)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.linspace(-0.3, 0.2, weight.numel()).reshape(weight.shape))
    adapted.save_pretrained(folder, save_embedding_layers=False)
    path = folder / "adapter_config.json"
    values = {**json.loads(path.read_text()), "base_model_name_or_path": str(base)}
    path.write_text(json.dumps(values))
    return folder


@pytest.fixture
def base(tmp_path):
    SETTINGS.write(save_tiny(tmp_path / "base"))
    return tmp_path / "base"


@pytest.fixture
def adapters(tmp_path, base):
    one = save_adapter(tmp_path / "one", base, ["q_proj", "down_proj"], r=4)
    return [one, save_adapter(tmp_path / "two", base, ["q_proj", "v_proj"], r=2, use_rslora=True)]


def scores(reranker):
    return {p.index: p.score for p in reranker.rank("which number?", PASSAGES)}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapters_in_turn_score_as_each_in_weights_of_its_own(base, adapters, dtype):
    shared = SharedBase(base, dtype=dtype)
    rerankers = {each: Reranker(shared.checkpoint(each)) for each in (None, *adapters)}
    alone = {each: scores(Reranker(base, adapter=each, dtype=dtype)) for each in (None, *adapters)}
    one, two = adapters
    assert len({tuple(found.items()) for found in alone.values()}) == 3
    for each in (one, None, two, two, one, None, one, two):
        assert scores(rerankers[each]) == alone[each]


def test_a_model_that_comes_with_an_adapter_takes_turns_too(base, adapters):
    shared = SharedBase(adapters[0])
    assert scores(Reranker(shared.checkpoint())) == scores(Reranker(adapters[0]))


def test_two_copies_serve_any_number(base, adapters):
    shared = SharedBase(base)
    models = [shared.checkpoint(adapters[place % 2]).model for place in range(4)]
    plain = shared.checkpoint().model
    held = {id(weight) for model in models for weight in model.parameters()}
    own = {id(weight) for weight in plain.parameters()}
    # Two layers of queries, down projections and values.
    assert len(held - own) == 2 * 3


def test_what_is_carried_beside_the_weights_is_the_adapters(base, adapters):
    Settings(window=5, stride=2).write(adapters[0])
    tiny_tokenizer().save_pretrained(adapters[1])
    shared, loaded = SharedBase(base), load(base, adapter=adapters[0])
    found = shared.checkpoint(adapters[0])
    assert (found.name, found.settings) == (loaded.name, loaded.settings)
    assert found.settings == Settings(window=5, stride=2)
    assert shared.checkpoint(adapters[1]).tokenizer.name_or_path == str(adapters[1])
    assert not found.model.training
    assert not any(weight.requires_grad for weight in found.model.parameters())


@pytest.mark.parametrize(
    ("targets", "options"),
    [
        (["q_proj"], {"use_dora": True}),
        (["q_proj"], {"modules_to_save": ["input_layernorm"]}),
        (["q_proj", "embed_tokens"], {}),
        # Tied to the embedding, which it would change as well.
        (["lm_head"], {}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_an_adapter_of_more_than_linear_layers_is_refused(tmp_path, base, targets, options):
    folder = save_adapter(tmp_path / "more", base, targets, r=2, **options)
    with pytest.raises(ModelError, match=r"more than the weights of linear layers.*of its own"):
        SharedBase(base).checkpoint(folder)


def test_a_merge_that_fails_leaves_nothing_half_merged(base, adapters, monkeypatch):
    from peft.tuners.lora import Linear

    shared = SharedBase(base)
    one, two = (Reranker(shared.checkpoint(each)) for each in adapters)
    expected, whole, calls = scores(one), Linear.get_delta_weight, []

    def fails(layer, name):
        calls.append(name)
        if len(calls) == 2:
            raise RuntimeError("out of memory")
        return whole(layer, name)

    monkeypatch.setattr(Linear, "get_delta_weight", fails)
    with pytest.raises(RuntimeError):
        scores(two)
    assert scores(one) == expected


def test_an_adapter_of_another_model_is_refused(tmp_path, base, adapters):
    weights = load_file(adapters[0] / "adapter_model.safetensors")
    name = next(iter(weights))
    save_file(
        {**weights, name: weights[name][:, :-1].contiguous()},
        adapters[0] / "adapter_model.safetensors",
    )
    with pytest.raises(ModelError, match="does not match the model"):
        SharedBase(base).checkpoint(adapters[0])
