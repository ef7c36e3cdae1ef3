"""The model in training: a base, LoRA on it or all of its weights, and its tokenizer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from reranker.adapted_tokens import adapt_partly
from reranker.adapter import CONFIG, WEIGHTS, is_adapter
from reranker.checkpoint import load
from reranker.device import choose_device, choose_dtype
from reranker.errors import SettingsError
from reranker.loading import loading
from reranker.pretrained import read_json
from training.errors import TrainingError
from training.forward import pack_attention, read_pack
from training.ingredients import Lora
from training.pack import Pack
from training.recipe import Recipe
from training.reference import Reference

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

# What PEFT puts before the names of a base's parameters.
_ADAPTED = "base_model.model."


class Output(NamedTuple):
    """What a pass gives to the loss.

    `scores` `(queries, passages)`; `answers` `(queries, tokens, vocabulary)`, for packs with
    answers; `divergence`, a scalar, where the model has a reference (see `training.reference`).
    """

    scores: Tensor
    answers: Tensor | None = None
    divergence: Tensor | None = None


class ListwiseModel(nn.Module):
    """A causal LM that gives a pack's identifier logits.

    Args:
        base: the causal LM, with LoRA's layers in place where there are any.
        adapted: the same model as PEFT sees it; None trains every weight.
        neftune: the alpha of NEFTune's noise; 0 for none.
        referred: whether to measure how far the queries' tokens move from the weights as given.
    """

    def __init__(
        self,
        base: "PreTrainedModel",
        adapted: "PeftModel | None",
        *,
        neftune: float = 0.0,
        referred: bool = False,
    ) -> None:
        super().__init__()
        self.base = base
        self.neftune = neftune
        self.reference = Reference(base) if referred else None
        # In a tuple, so that its parameters are not counted twice.
        self._adapted = (adapted,)

    @property
    def adapted(self) -> "PeftModel | None":
        """The model as PEFT sees it, where there is LoRA."""
        return self._adapted[0]

    def forward(self, pack: Pack) -> Output:
        """A pack's scores, and what else the loss reads of it."""
        found = read_pack(self.base, pack, neftune=self.neftune)
        if self.reference is None or found.asked is None:
            return Output(found.scores, found.answers)
        divergence = self.reference.divergence(self.base, pack, found.asked)
        return Output(found.scores, found.answers, divergence)

    def save(self, folder: Path, weights: dict[str, Tensor] | None = None) -> None:
        """Write the adapter, or the whole model, into a folder.

        `weights` are those of `base` by name, where the model does not hold them itself.
        """
        if self.adapted is None:
            self.base.save_pretrained(folder, state_dict=weights)
            return
        named = weights and {_ADAPTED + name: value for name, value in weights.items()}
        self.adapted.save_pretrained(str(folder), state_dict=named, save_embedding_layers=False)
        # PEFT's card knows nothing of what was trained.
        (folder / "README.md").unlink(missing_ok=True)

    def restore(self, folder: Path) -> None:
        """Take the weights that `save` wrote.

        Raises:
            TrainingError: for weights of another model or shape.
        """
        from safetensors.torch import load_file

        if self.adapted is not None:
            _restore_adapter(self.adapted, folder)
            return
        state: dict[str, Tensor] = {}
        for path in sorted(folder.glob("*.safetensors")):
            state |= load_file(path)
        report = self.base.load_state_dict(state, strict=False)
        tied = set(getattr(self.base, "all_tied_weights_keys", None) or ())
        if report.unexpected_keys or set(report.missing_keys) - tied:
            raise TrainingError(f"{folder} holds the weights of another model; restore its recipe")


def build(recipe: Recipe) -> "tuple[ListwiseModel, PreTrainedTokenizerFast]":
    """The model that a recipe trains, on the CPU, and its tokenizer.

    LoRA's first weights depend on the recipe's seed alone. A base under LoRA is held in the
    recipe's dtype; weights that are trained are held in single precision.

    Raises:
        ModelError: for a model that cannot be loaded, or not be trained on packed rows.
        SettingsError: for an adapter as the model.
    """
    if recipe.model != "embedded" and is_adapter(Path(recipe.model).expanduser()):
        raise SettingsError(
            f"the model {recipe.model} is an adapter; give its base as model, and the adapter as "
            "lora.start"
        )
    dtype = precision(recipe) if recipe.lora is not None else torch.float32
    checkpoint = load(recipe.model, dtype=dtype, device="cpu")
    base = checkpoint.model
    pack_attention(base)
    adapted = None if recipe.lora is None else _adapted(base, recipe.lora, recipe.seed)
    if recipe.settings().frozen_passages:
        adapt_partly(base)
    if adapted is None:
        base.requires_grad_(True)
    if recipe.gradient_checkpointing:
        checkpoint_activations(base)
    referred = recipe.reference_kl > 0
    model = ListwiseModel(base, adapted, neftune=recipe.neftune, referred=referred)
    return model, checkpoint.tokenizer


def precision(recipe: Recipe) -> torch.dtype:
    """The type that a recipe's matrix products are computed in."""
    return choose_dtype(recipe.dtype, choose_device(recipe.device))


def _adapted(base: "PreTrainedModel", lora: Lora, seed: int) -> "PeftModel":
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    set_seed(seed)
    with loading("LoRA's layers"):
        adapted = get_peft_model(base, config)
    if lora.start is not None:
        start = Path(lora.start).expanduser()
        _check_scaling(start, lora)
        _restore_adapter(adapted, start)
    return adapted


def _check_scaling(start: Path, lora: Lora) -> None:
    """Refuse to go on from an adapter whose weights count for more or less than the recipe's."""
    config = read_json(start / CONFIG)
    found = config.get("lora_alpha"), bool(config.get("use_rslora"))
    if found != (lora.alpha, False):
        raise TrainingError(
            f"{start} has lora_alpha {found[0]}{' with rsLoRA' if found[1] else ''}, the recipe "
            f"{lora.alpha:g} without; give lora.alpha as it has, or another start"
        )


def _restore_adapter(adapted: "PeftModel", folder: Path) -> None:
    from peft import set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        report: Any = set_peft_model_state_dict(adapted, load_file(folder / WEIGHTS))
    except (OSError, RuntimeError, KeyError, SafetensorError) as error:
        raise TrainingError(
            f"{folder / WEIGHTS} cannot be loaded ({error}); expected an adapter of the recipe's "
            "model, rank and targets"
        ) from error
    absent = [name for name in report.missing_keys if "lora_" in name]
    if absent or report.unexpected_keys:
        raise TrainingError(
            f"{folder} holds an adapter of other modules than the recipe trains; expected the "
            "same model, rank and targets"
        )


def checkpoint_activations(base: "PreTrainedModel") -> None:
    """Have a model compute its layers' activations again on the way back."""
    options = {"use_reentrant": False}
    # Newer versions of transformers have renamed it.
    if hasattr(base, "activation_checkpointing_enable"):
        base.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)
