"""The engine against the plain forward, over tiny random models of many families.

Rows are longer than every sliding window, chunk and rope threshold, so that what only shows in
long rows shows here. Weights are drawn larger than a model's own initialisation, under which
attention is all but uniform and no mistake in it can be seen.
"""

import copy
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel

from reranker.engine import Engine
from reranker.packing import alike
from reranker.prompt import Prompt

IDENTIFIERS = tuple(range(40, 60))
VOCABULARY = 300
WINDOW = 16
LENGTHS = (60, 9, 45, 1, 100, 23)

TINY = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = TINY | {"num_key_value_heads": 2}
SIDED = GROUPED | {"head_dim": 8}
SLIDING = GROUPED | {"sliding_window": WINDOW}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 4,
    "n_head": 4,
    "n_positions": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LATENT = TINY | {
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "num_key_value_heads": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "n_shared_experts": 1,
    "moe_intermediate_size": 16,
}
STRETCH = [1.0 + 0.5 * place for place in range(4)]


def rope(kind: str, **values: Any) -> dict[str, Any]:
    rope_parameters = {"rope_type": kind, "rope_theta": 1e4, "factor": 2.0} | values
    return {"rope_parameters": rope_parameters, "max_position_embeddings": 32}


PACKED: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", GROUPED),
    "llama yarn": (
        "llama",
        GROUPED | rope("yarn", original_max_position_embeddings=16),
    ),
    "llama linear": ("llama", GROUPED | rope("linear")),
    "mistral": ("mistral", SLIDING),
    "mixtral": ("mixtral", SLIDING | EXPERTS),
    "qwen2": ("qwen2", SLIDING | {"use_sliding_window": True, "max_window_layers": 2}),
    "qwen3": ("qwen3", SIDED),
    "qwen3 sliding": (
        "qwen3",
        SIDED | {"sliding_window": WINDOW, "use_sliding_window": True, "max_window_layers": 2},
    ),
    "gemma": ("gemma", SIDED),
    "gemma 3": ("gemma3_text", SIDED | {"sliding_window": WINDOW, "query_pre_attn_scalar": 8}),
    "phi": ("phi", GROUPED),
    "phi 3": ("phi3", SLIDING),
    "gpt-neox": ("gpt_neox", TINY),
    "gpt2": ("gpt2", GPT2),
    "opt": ("opt", TINY | {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "cohere": ("cohere", GROUPED),
    "cohere 2": ("cohere2", SLIDING),
    "granite": ("granite", GROUPED),
    "olmo 2": ("olmo2", GROUPED),
    "olmo 3": ("olmo3", SLIDING),
    "smollm 3": ("smollm3", GROUPED),
    "starcoder 2": ("starcoder2", SLIDING),
    "glm 4": ("glm4", SIDED),
    "exaone 4": ("exaone4", SLIDING),
    "deepseek 3": ("deepseek_v3", LATENT),
}

ROW_BY_ROW: dict[str, tuple[str, dict[str, Any]]] = {
    "llama dynamic": ("llama", GROUPED | rope("dynamic")),
    "phi 3 longrope": (
        "phi3",
        GROUPED
        | {"original_max_position_embeddings": 32}
        | rope(
            "longrope",
            short_factor=[1.0] * 4,
            long_factor=STRETCH,
            original_max_position_embeddings=32,
        ),
    ),
    "gemma 2": (
        "gemma2",
        SIDED | {"sliding_window": WINDOW, "query_pre_attn_scalar": 8},
    ),
    "gpt-oss": ("gpt_oss", SIDED | EXPERTS | {"sliding_window": WINDOW}),
    "llama 4": (
        "llama4_text",
        SIDED | EXPERTS | {"attention_chunk_size": WINDOW, "intermediate_size_mlp": 48},
    ),
    "bloom": ("bloom", {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 4, "n_head": 4}),
    "falcon": ("falcon", TINY | {"alibi": True}),
    "falcon rotary": ("falcon", TINY),
    "stablelm": ("stablelm", GROUPED),
    "mamba": ("mamba", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 4}),
    "lfm 2": (
        "lfm2",
        GROUPED | {"layer_types": ["conv", "full_attention", "conv", "full_attention"]},
    ),
}

# Their attention does not say that it is banded: only the mask does.
BANDED_UNSAID: dict[str, tuple[str, dict[str, Any]]] = {
    "phi moe": ("phimoe", SLIDING | EXPERTS),
    "qwen 2 moe": (
        "qwen2_moe",
        SLIDING
        | {
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
            "use_sliding_window": True,
            "layer_types": ["sliding_attention"] * 4,
        },
    ),
}


def random_model(kind: str, values: dict[str, Any]) -> PreTrainedModel:
    generator = torch.Generator().manual_seed(3)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**values))
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() >= 2:
                spread = 1.3 / weights.shape[-1] ** 0.5
                weights.copy_(torch.randn(weights.shape, generator=generator) * spread)
            elif not weights.isfinite().all() or not weights.any():
                weights.copy_(torch.randn(weights.shape, generator=generator) * 0.3)
    return model.float().eval()


def prompts() -> list[Prompt]:
    generator = torch.Generator().manual_seed(5)
    rows = [torch.randint(3, VOCABULARY, (n,), generator=generator).tolist() for n in LENGTHS]
    names = tuple(map(str, IDENTIFIERS))
    return [Prompt((), (tuple(row),), (), names, IDENTIFIERS) for row in rows]


def plain(model: PreTrainedModel, prompt: Prompt) -> torch.Tensor:
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([prompt.token_ids]), use_cache=False).logits
    return logits[0, -1, list(IDENTIFIERS)].float()


def check(kind: str, values: dict[str, Any], *, packs: bool) -> None:
    model = random_model(kind, values)
    engine = Engine(copy.deepcopy(model), IDENTIFIERS)
    assert engine.packs is packs
    asked = prompts()
    for prompt, scores in zip(asked, engine.score(asked), strict=True):
        expected = plain(model, prompt)
        torch.testing.assert_close(torch.tensor(scores), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", PACKED)
def test_packed_families_are_exact(name: str) -> None:
    check(*PACKED[name], packs=True)


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_families_that_pass_row_by_row_are_exact(name: str) -> None:
    check(*ROW_BY_ROW[name], packs=False)


@pytest.mark.parametrize("name", BANDED_UNSAID)
def test_a_band_that_only_the_mask_holds(name: str) -> None:
    model = random_model(*BANDED_UNSAID[name])
    engine = Engine(copy.deepcopy(model), IDENTIFIERS)
    asked = prompts()
    for prompt, scores in zip(asked, engine.score(asked), strict=True):
        expected = plain(model, prompt)
        torch.testing.assert_close(torch.tensor(scores), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_small_logits_do_not_hide_a_mask_that_packing_ignores(dtype: torch.dtype) -> None:
    model = random_model("doge", GROUPED).to(dtype)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(0.001 if dtype == torch.float32 else 0.1)
    assert not Engine(model, IDENTIFIERS).packs


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_is_no_disagreement(dtype: torch.dtype) -> None:
    """As of a trained adapter whose unluckiest logit was .16 of the spread off in bfloat16."""
    torch.manual_seed(0)
    expected = 2.3 * torch.randn(2, 49152)
    noise = torch.randn_like(expected)
    rounded = expected + 2.3 * 0.036 * noise
    assert float((rounded - expected).abs().max() / expected.std()) > 0.15
    assert alike(rounded, expected, dtype)
    assert not alike(expected + 2.3 * 0.165 * noise, expected, dtype)
    assert not alike(rounded, expected, torch.float32)
    assert not alike(expected * torch.nan, expected, dtype)
