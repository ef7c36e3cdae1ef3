"""LoRA that acts on some tokens of a pass alone, as on the query and not on the passages.

Keys and values of the other tokens are then the base model's own: what was kept of passages serves
every adapter of the base, and one that is yet to be trained. Activated LoRA (arXiv 2504.12397) does
so for what precedes an adapter's part of a conversation.
"""

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from reranker.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ARGUMENT = "adapted_tokens"
_PARTLY: "WeakSet[PreTrainedModel]" = WeakSet()


def adapt_partly(model: "PreTrainedModel") -> None:
    """Have a model's LoRA layers act only where a forward pass says, by `adapted`; else everywhere.

    Args:
        model: has LoRA's layers of PEFT in place, not merged.

    Raises:
        ModelError: for an adapter that would act on other tokens all the same.
    """
    layers = linear_layers(model)
    if layers is None:
        raise ModelError(
            "an adapter that leaves passages to its base (frozen_passages) must be plain LoRA of "
            "linear layers, without DoRA, biases, embeddings or head; train one without them, or "
            "set frozen_passages: false"
        )
    acting: list[Tensor | None] = [None]
    # Held during a pass, so that no other thread's pass changes where the adapter acts.
    passing = Lock()

    def begin(_: nn.Module, args: Any, options: dict[str, Any]) -> Any:
        passing.acquire()
        acting[0] = options.pop(ARGUMENT, None)
        return args, options

    def spare(_: nn.Module, args: tuple[Tensor]) -> Any:
        # Nothing is added to the first matrix's product, so no input is no change.
        return args if acting[0] is None else (args[0] * acting[0][:, None],)

    model.register_forward_pre_hook(begin, with_kwargs=True)
    model.register_forward_hook(lambda *_: passing.release(), always_call=True)
    for layer in layers.values():
        for first in layer.lora_A.values():
            first.register_forward_pre_hook(spare)
    _PARTLY.add(model)


def linear_layers(model: "PreTrainedModel") -> dict[str, Any] | None:
    """LoRA's layers by name, if all are plain, of linear layers, neither embedding nor head."""
    from peft.tuners.lora import Linear
    from peft.tuners.tuners_utils import BaseTunerLayer

    found = {n: each for n, each in model.named_modules() if isinstance(each, BaseTunerLayer)}
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    plain = all(
        type(each) is Linear
        and not each.lora_variant
        and not any(each.lora_bias.values())
        and type(each.get_base_layer()) is nn.Linear
        and all(end is not each for end in ends)
        and each.get_base_layer().weight is not ends[0].weight
        for each in found.values()
    )
    return found if plain else None


def is_adapted_partly(model: "PreTrainedModel") -> bool:
    """Whether the model's adapter acts where it is told."""
    return model in _PARTLY


def adapted(model: "PreTrainedModel", tokens: Sequence[bool]) -> dict[str, Tensor]:
    """What to pass to a call of the model, for its adapter to act on these tokens alone.

    Args:
        model: any; nothing is passed to one whose adapter acts on all tokens.
        tokens: one flag a token of the pass, or a single one for all.
    """
    return {ARGUMENT: torch.tensor(tokens, device=model.device)} if model in _PARTLY else {}
