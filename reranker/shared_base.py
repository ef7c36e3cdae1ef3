"""Many adapters of one model in two copies of its weights, however many they are.

One copy is the model's own. In the other, made for the weights that adapters change, the adapters
take turns: a pass that comes after another adapter's merges its own first. The merged weights are
those of `reranker.adapter.apply_adapter` to the last bit, and passes take as long as theirs. Left
beside the weights instead, adapters would cost every pass time and round otherwise.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from reranker.adapted_tokens import linear_layers
from reranker.adapter import WEIGHTS, apply_adapter, attach_adapter
from reranker.checkpoint import Checkpoint, load
from reranker.errors import ModelError
from reranker.loading import loading
from reranker.pretrained import check_vocabulary, read_tokenizer
from reranker.source import find_source

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_Layers = Mapping[str, Any]


class SharedBase:
    """A model that is read with many LoRA adapters, all by the same thread.

    Args:
        name: as for `reranker.checkpoint.load`; if it comes with an adapter, that one takes turns
            with the others.
        dtype, device: as for `reranker.checkpoint.load`.

    Raises:
        ModelError: for a model that cannot be loaded.
    """

    def __init__(
        self,
        name: str | Path | None = None,
        *,
        dtype: str | torch.dtype | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self._name = name
        self._base = load(find_source(name).base, dtype=dtype, device=device)
        self._merged: dict[str, nn.Parameter] = {}
        self._turn: _Layers | None = None

    def checkpoint(self, adapter: str | Path | None = None) -> Checkpoint:
        """The model with an adapter, or as its name says: the same as `load`, in shared weights.

        Raises:
            ModelError: for an adapter that does not match the model, or that changes more than
                the weights of linear layers.
        """
        source = find_source(self._name, adapter=adapter)
        settings = source.settings()
        with loading(f"model {source.name!r}"):
            model, tokenizer = self._copy(), self._base.tokenizer
            if source.tokenizer != source.weights:
                tokenizer = read_tokenizer(source.tokenizer)
            check_vocabulary(model, tokenizer)
            if source.adapter is not None and settings is not None and settings.frozen_passages:
                model = apply_adapter(model, source.adapter, partly=True)
            elif source.adapter is not None:
                self._give_turns(model, source.adapter)
        return Checkpoint(source.name, model, tokenizer, settings)

    def _copy(self) -> "PreTrainedModel":
        """The model's modules once more, over the same weights."""
        same = {id(weight): weight for weight in self._base.model.parameters()}
        return copy.deepcopy(self._base.model, same)

    def _give_turns(self, model: "PreTrainedModel", adapter: Path) -> None:
        layers = _layers(attach_adapter(self._copy(), adapter).get_base_model(), adapter)
        for name in layers:
            if name not in self._merged:
                merged = torch.empty_like(self._base.model.get_submodule(name).weight)
                self._merged[name] = nn.Parameter(merged, requires_grad=False)
            model.get_submodule(name).weight = self._merged[name]
        model.register_forward_pre_hook(lambda *_: self._merge(layers))
        self._merge(layers)

    @torch.inference_mode()
    def _merge(self, layers: _Layers) -> None:
        if self._turn is layers:
            return
        # Nobody's, should it fail half-way.
        self._turn = None
        for name, layer in layers.items():
            merged = self._merged[name].copy_(layer.get_base_layer().weight)
            merged += layer.get_delta_weight("default")
        self._turn = layers


def _layers(model: "PreTrainedModel", adapter: Path) -> _Layers:
    """The layers that an adapter changes, by name."""
    from safetensors import safe_open

    found = linear_layers(model)
    with safe_open(adapter / WEIGHTS, "pt") as file:
        tensors = len(list(file.keys()))
    # Two a layer: any more would be of something else, such as a bias.
    if found is None or tensors != 2 * len(found):
        raise ModelError(
            f"the adapter {adapter} changes more than the weights of linear layers, so it cannot "
            "take turns with others in shared weights; give it weights of its own"
        )
    return found
