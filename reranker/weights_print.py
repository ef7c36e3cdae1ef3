"""A model's print: what tells its keys and values from another model's."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

import torch
from torch import nn

from reranker.adapted_tokens import is_adapted_partly

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SAMPLE = 1024


def weights_print(model: "PreTrainedModel", *, of_passages: bool = False) -> bytes:
    """32 bytes of a model's architecture and weights; or of those alone that read passages.

    Of each weight a thousand values, evenly from all over it: training changes nearly all.
    """
    digest = blake2b(repr(_facts(model)).encode(), digest_size=32)
    for name, weight in sorted(_weights(model, of_passages)):
        digest.update(repr((name, weight.dtype, tuple(weight.shape))).encode())
        flat = weight.detach().flatten()
        drawn = flat[:: max(1, flat.numel() // _SAMPLE)].float().cpu()
        digest.update(drawn.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.digest()


def _weights(model: "PreTrainedModel", of_passages: bool) -> Iterator[tuple[str, nn.Parameter]]:
    partly = of_passages and is_adapted_partly(model)
    for name, weight in model.named_parameters():
        if not partly:
            yield name, weight
        elif ".lora_" not in name:
            # As the base without an adapter has it.
            yield name.replace(".base_layer.", "."), weight


def _facts(model: "PreTrainedModel") -> list[tuple[str, object]]:
    config = model.config.to_dict()
    kept = ("model_type", "rope_parameters", "rope_scaling", "rope_theta", "num_attention_heads")
    return [(name, config.get(name)) for name in (*kept, "num_key_value_heads", "rms_norm_eps")]
