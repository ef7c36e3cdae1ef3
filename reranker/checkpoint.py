"""Loading a model: weights, tokenizer and the settings it carries, ready for the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reranker.adapter import apply_adapter
from reranker.device import choose_device, choose_dtype
from reranker.gguf_file import is_gguf, read_gguf
from reranker.loading import loading
from reranker.pretrained import check_vocabulary, read_model, read_tokenizer
from reranker.source import Source, find_source

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from reranker.settings import Settings


UNLIMITED = 1 << 20


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model ready for forward passes: in eval mode, on its device, without gradients or cache.

    `settings` are what `reranker.json` in the adapter's folder, or else the model's, holds.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    settings: Settings | None


def context_tokens(model: PreTrainedModel) -> int:
    """How many tokens a model reads."""
    config = model.config.get_text_config()
    return int(getattr(config, "max_position_embeddings", None) or UNLIMITED)


def load(
    name: str | Path | None = None,
    *,
    adapter: str | Path | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    revision: str | None = None,
) -> Checkpoint:
    """Load a causal language model, with a PEFT adapter merged into it where there is one.

    Args:
        name: a Hugging Face name, a folder with a model or with an adapter (whose base is then
            loaded), or a .gguf file. None is the embedded default with the adapter that this
            library ships; "embedded" is the same model without that adapter.
        adapter: a folder or Hugging Face name of an adapter for the model `name`.
        dtype: "float32", "bfloat16" or "float16"; chosen by the device where left out.
        device: such as "cpu", "cuda" or "cuda:1"; where left out CUDA, else MPS, else CPU.
        revision: the branch, tag or commit of the Hugging Face model `name`.

    Raises:
        SettingsError: for a dtype or device that cannot be had, or a broken reranker.json.
        MissingWeightsError: for weights that are not on this machine and cannot be fetched.
        ModelError: for anything else that keeps the model from loading.
    """
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    source = find_source(name, adapter=adapter, revision=revision)
    settings = source.settings()
    with loading(f"model {source.name!r}"):
        frozen = settings is not None and settings.frozen_passages
        model, tokenizer = _read(source, precision, place, partly=frozen)
    return Checkpoint(source.name, model, tokenizer, settings)


def _read(
    source: Source, dtype: torch.dtype, device: torch.device, *, partly: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    if is_gguf(source.weights):
        model, tokenizer = read_gguf(source.weights, dtype=dtype, device=device)
    else:
        model = read_model(source.weights, dtype=dtype, device=device)
        tokenizer = read_tokenizer(source.tokenizer)
    check_vocabulary(model, tokenizer)
    # An adapter trained on this model records this name as its base.
    model.name_or_path = model.config.name_or_path = source.base
    if source.adapter is not None:
        model = apply_adapter(model, source.adapter, partly=partly)
    return _frozen(model), tokenizer


def _frozen(model: PreTrainedModel) -> PreTrainedModel:
    model.config.use_cache = model.config.get_text_config().use_cache = False
    return model.eval().requires_grad_(False)
