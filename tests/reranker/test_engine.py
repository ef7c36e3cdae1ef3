import copy
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from reranker.engine import Engine
from reranker.errors import EngineError, ModelError, NonFiniteLogitsError
from reranker.prompt import Prompt
from tests.tiny import tiny_model, tiny_tokenizer

IDENTIFIERS = tuple(range(40, 60))
VOCABULARY = 300


def row(tokens: Sequence[int], passages: int = 5) -> Prompt:
    ids = IDENTIFIERS[:passages]
    return Prompt((), (tuple(tokens),), (), tuple(map(str, ids)), ids)


def plain(model: PreTrainedModel, prompt: Prompt) -> torch.Tensor:
    with torch.inference_mode():
        logits = model(torch.tensor([prompt.token_ids]), use_cache=False).logits[0, -1]
    return logits[list(prompt.identifier_ids)]


def pair() -> tuple[LlamaForCausalLM, Engine]:
    tokenizer = tiny_tokenizer()
    return tiny_model(tokenizer), Engine(tiny_model(tokenizer), IDENTIFIERS)


MODEL, ENGINE = pair()
ROWS = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=60)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(ROWS, min_size=1, max_size=8), budget=st.integers(1, 200))
def test_packed_logits_are_those_of_the_plain_forward_row_by_row(
    rows: list[list[int]], budget: int
) -> None:
    ENGINE.batch_tokens = budget
    prompts = [row(tokens) for tokens in rows]
    for prompt, scores in zip(prompts, ENGINE.score(prompts), strict=True):
        torch.testing.assert_close(torch.tensor(scores), plain(MODEL, prompt), atol=1e-4, rtol=1e-4)


def test_every_composition_and_order_gives_the_same_logits() -> None:
    generator = torch.Generator().manual_seed(1)
    prompts = [
        row(torch.randint(VOCABULARY, (n,), generator=generator).tolist()) for n in (3, 50, 1, 17)
    ]
    alone = [ENGINE.score([prompt])[0] for prompt in prompts]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        together = ENGINE.score([prompts[i] for i in order])
        for place, scores in zip(order, together, strict=True):
            assert scores == pytest.approx(alone[place], abs=1e-4)


SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (MistralForCausalLM, MistralConfig(**SMALL, sliding_window=7)),
        (Qwen2ForCausalLM, Qwen2Config(**SMALL, tie_word_embeddings=True)),
    ],
    ids=["sliding-window", "biased"],
)
def test_other_architectures_are_exact_too(kind: type[PreTrainedModel], config: object) -> None:
    torch.manual_seed(0)
    model = kind(config).eval()  # type: ignore[arg-type]
    engine = Engine(copy.deepcopy(model), IDENTIFIERS)
    assert engine.packs
    generator = torch.Generator().manual_seed(2)
    prompts = [
        row(torch.randint(VOCABULARY, (n,), generator=generator).tolist()) for n in (5, 30, 9)
    ]
    for prompt, scores in zip(prompts, engine.score(prompts), strict=True):
        torch.testing.assert_close(torch.tensor(scores), plain(model, prompt), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (
            Gemma2ForCausalLM,
            Gemma2Config(**SMALL, attn_logit_softcapping=1.0, final_logit_softcapping=2.0),
        ),
        (
            LlamaForCausalLM,
            LlamaConfig(
                **SMALL,
                max_position_embeddings=64,
                rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0},
            ),
        ),
    ],
    ids=["softcapped", "stretched"],
)
def test_what_cannot_be_packed_exactly_passes_row_by_row_and_says_so(
    kind: type[PreTrainedModel], config: object, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    model = kind(config).eval()  # type: ignore[arg-type]
    engine = Engine(copy.deepcopy(model), IDENTIFIERS)
    assert not engine.packs
    assert "cannot be packed exactly" in caplog.text
    prompts = [row(range(1, n)) for n in (5, 30, 9)]
    for prompt, scores in zip(prompts, engine.score(prompts), strict=True):
        torch.testing.assert_close(torch.tensor(scores), plain(model, prompt), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ),
    ],
)
def test_bfloat16(device: str) -> None:
    model = tiny_model(tiny_tokenizer()).to(device, torch.bfloat16)
    engine = Engine(copy.deepcopy(model), IDENTIFIERS)
    assert engine.packs
    prompts = [row(range(1, n)) for n in (5, 30, 9)]
    for prompt, scores in zip(prompts, engine.score(prompts), strict=True):
        tokens = torch.tensor([prompt.token_ids], device=device)
        with torch.inference_mode():
            logits = model(tokens, use_cache=False).logits[0, -1]
        expected = logits[list(prompt.identifier_ids)].float().cpu()
        torch.testing.assert_close(torch.tensor(scores), expected, atol=2e-2, rtol=2e-2)


def test_gpt2_with_its_learned_positions() -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=128)
    model = GPT2LMHeadModel(config).eval()
    engine = Engine(copy.deepcopy(model), IDENTIFIERS)
    prompts = [row(range(1, n)) for n in (5, 30, 9)]
    for prompt, scores in zip(prompts, engine.score(prompts), strict=True):
        torch.testing.assert_close(torch.tensor(scores), plain(model, prompt), atol=1e-4, rtol=1e-4)


def test_the_head_is_narrow_and_nothing_is_cached() -> None:
    _, engine = pair()
    head = engine._model.get_output_embeddings()
    assert head.weight.shape == (len(IDENTIFIERS), 32)
    for logits, likelihoods in engine._forward([row([1, 2]), row([3])]):
        assert logits.shape == (len(IDENTIFIERS),)
        assert not logits.requires_grad
        assert likelihoods is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_errors_that_name_the_row(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, engine = pair()
    forward = engine._forward

    def poisoned(rows: Sequence[Prompt]) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
        found = [(logits.clone(), likelihoods) for logits, likelihoods in forward(rows)]
        found[1][0][2] = value
        return found

    monkeypatch.setattr(engine, "_forward", poisoned)
    with pytest.raises(NonFiniteLogitsError, match=r"row\(s\) \[1\].*float32") as caught:
        engine.score([row([1, 2]), row([3]), row([4])])
    assert caught.value.rows == (1,)
    # Identifiers that a window does not use do not matter to it.
    assert engine.score([row([1, 2], 2), row([3], 2)])


def test_out_of_memory_halves_the_pass_and_then_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, engine = pair()
    forward = engine._forward

    def small(rows: Sequence[Prompt]) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
        if sum(map(len, rows)) > 8:
            raise torch.cuda.OutOfMemoryError("full")
        return forward(rows)

    prompts = [row([1, 2, 3, 4]), row([5, 6, 7]), row([8])]
    expected = engine.score(prompts)
    monkeypatch.setattr(engine, "_forward", small)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    for found, wanted in zip(engine.score([*prompts, *prompts]), expected * 2, strict=True):
        assert found == pytest.approx(wanted, abs=1e-5)
    assert "out of device memory" in caplog.text
    with pytest.raises(EngineError, match=r"window of 9 tokens does not fit .* smaller window"):
        engine.score([row(range(9))])


def test_the_attention_refuses_to_run_without_packed_rows() -> None:
    _, engine = pair()
    with pytest.raises(EngineError, match="needs packed_rows"):
        engine._model(torch.tensor([[1, 2]]))


def test_a_model_serves_one_engine() -> None:
    model = tiny_model(tiny_tokenizer())
    Engine(model, IDENTIFIERS)
    with pytest.raises(ModelError, match="taken this model over already"):
        Engine(model, IDENTIFIERS)


def test_no_prompts_no_scores() -> None:
    assert ENGINE.score([]) == []
