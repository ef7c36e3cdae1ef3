"""LoRA that acts on some tokens of a pass alone, as on the query and not on the passages.

Keys and values of the other tokens are then the base model's own: what was kept of passages serves
every adapter of the base, and one that is yet to be trained. Activated LoRA (arXiv 2504.12397) does
so for what precedes an adapter's part of a conversation.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ARGUMENT = "adapted_tokens"
_PARTLY: "WeakSet[PreTrainedModel]" = WeakSet()


def adapt_partly(model: "PreTrainedModel") -> None:
    """Have a model's LoRA layers act only where a forward pass says, by `adapted`; else everywhere.

    Args:
        model: has LoRA's layers of PEFT in place, not merged.
    """
    acting: list[Tensor | None] = [None]

    def note(_: nn.Module, args: Any, options: dict[str, Any]) -> Any:
        acting[0] = options.pop(ARGUMENT, None)
        return args, options

    def spare(_: nn.Module, args: tuple[Tensor]) -> Any:
        # Nothing is added to the first matrix's product, so no input is no change.
        return args if acting[0] is None else (args[0] * acting[0][:, None],)

    model.register_forward_pre_hook(note, with_kwargs=True)
    for module in model.modules():
        for first in getattr(module, "lora_A", {}).values():
            first.register_forward_pre_hook(spare)
    _PARTLY.add(model)


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
