"""Models of a known shape with random weights: as slow as trained ones, and no use otherwise."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from reranker.checkpoint import Checkpoint
from reranker.device import choose_device, choose_dtype
from reranker.embedded import embedded_folder
from reranker.errors import InputError
from reranker.loading import loading
from reranker.pretrained import read_tokenizer

if TYPE_CHECKING:
    import torch

SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A Llama-like decoder's sizes, by transformers' names."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int = 32_768


SHAPES = {
    # Mistral-7B's (arXiv 2310.06825), which RankZephyr and the public FIRST checkpoints have.
    "7b": Shape(
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    )
}


def label(name: str) -> str:
    """What a model of that shape is called."""
    return f"shape {name}, random weights"


def random_checkpoint(
    name: str,
    *,
    dtype: "str | torch.dtype | None" = None,
    device: "str | torch.device | None" = None,
) -> Checkpoint:
    """A model of that shape, the same weights each time, with the embedded model's tokenizer.

    Raises:
        InputError: for a shape that there is not.
        MissingWeightsError: where the embedded model's tokenizer is not on this machine.
        SettingsError: for a dtype or device that is not to be had.
    """
    if name not in SHAPES:
        raise InputError(f"no shape {name!r}; there is {', '.join(SHAPES)}")
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    with loading(f"shape {name!r}"):
        tokenizer = read_tokenizer(embedded_folder())
        model = _model(SHAPES[name], tokenizer, precision, place)
    return Checkpoint(label(name), model, tokenizer, None)


def _model(shape: Shape, tokenizer: Any, dtype: "torch.dtype", device: "torch.device") -> Any:
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    config = LlamaConfig(
        **asdict(shape),
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        use_cache=False,
    )
    forked = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=forked), device:
        torch.manual_seed(SEED)
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return model.eval().requires_grad_(False)
