"""PEFT adapters: where their base model is, and merging them into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reranker.errors import ModelError
from reranker.loading import brief
from reranker.pretrained import describe, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds a PEFT adapter."""
    return (folder / CONFIG).is_file()


def base_name(folder: Path) -> str:
    """The name or path of the model that the adapter was trained on.

    Raises:
        ModelError: where the adapter does not say.
    """
    name = read_json(folder / CONFIG).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise ModelError(
            f"{folder / CONFIG} names no base model (base_model_name_or_path is {name!r}); give "
            "the base as the model and this folder as the adapter"
        )
    return name


def apply_adapter(model: PreTrainedModel, folder: Path, *, partly: bool = False) -> PreTrainedModel:
    """Merge the adapter into the model; into quantized weights it is only attached.

    One that acts on some tokens alone is attached too (see `reranker.adapted_tokens`).

    Call inside `reranker.loading.loading`.

    Raises:
        ModelError: for an adapter that does not match the model, tensor by tensor.
    """
    adapted = attach_adapter(model, folder)
    attached: PreTrainedModel = adapted.get_base_model()
    if partly:
        from reranker.adapted_tokens import adapt_partly

        adapt_partly(attached)
    elif not getattr(model, "is_quantized", False):
        return adapted.merge_and_unload()
    return attached


def attach_adapter(model: PreTrainedModel, folder: Path) -> Any:
    """A `PeftModel` of the model with the adapter beside its weights; else as `apply_adapter`."""
    from peft import PeftConfig, PeftModelForCausalLM

    _check_folder(folder)
    _check_finite(folder)
    config = PeftConfig.from_pretrained(str(folder))
    if config.is_prompt_learning:
        raise ModelError(
            f"{folder} is a {config.peft_type} adapter, which adds virtual tokens; expected one "
            "that can be merged into the weights, such as LoRA"
        )
    config.inference_mode = True
    try:
        adapted = PeftModelForCausalLM(model, config)
        report = adapted.load_adapter(str(folder), "default", torch_device=str(model.device))
    except (ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{_mismatch(folder, model)}: {brief(error)}") from error
    _check_report(folder, model, report)
    return adapted


def _check_folder(folder: Path) -> None:
    if not is_adapter(folder):
        holds = describe(folder) if folder.is_dir() else "a file"
        raise ModelError(f"{folder} holds {holds}; expected an adapter: {CONFIG} and {WEIGHTS}")
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"{folder} holds {describe(folder)}; expected {WEIGHTS}. Pickles (adapter_model.bin) "
            "can run code and are never read: load the adapter with peft where you trust it and "
            "save it again with save_pretrained"
        )


def _check_finite(folder: Path) -> None:
    """Refuse NaN and infinity here: PEFT's own check of every merged weight takes seconds."""
    from safetensors.torch import load_file

    for name, tensor in load_file(folder / WEIGHTS).items():
        if not tensor.isfinite().all():
            raise ModelError(
                f"{folder / WEIGHTS} holds NaN or infinity in {name!r}; its training went wrong: "
                "take an earlier checkpoint"
            )


def _check_report(folder: Path, model: PreTrainedModel, report: Any) -> None:
    for kind, keys in (
        ("the adapter lacks", report.missing_keys),
        ("the model has no place for", report.unexpected_keys),
    ):
        if keys:
            raise ModelError(
                f"{_mismatch(folder, model)}: {kind} {len(keys)} tensor(s), such as {keys[0]!r}"
            )


def _mismatch(folder: Path, model: PreTrainedModel) -> str:
    return (
        f"the adapter {folder} does not match the model {model.config.name_or_path!r} "
        f"({type(model).__name__}, {model.config.get_text_config().num_hidden_layers} layers of "
        f"{model.config.get_text_config().hidden_size}); give the base that it was trained on"
    )
