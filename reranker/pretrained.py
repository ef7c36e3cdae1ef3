"""A causal language model and its tokenizer from a folder of safetensors.

- Weights are read as safetensors alone, and no code of the folder's is ever run.
- A model that does not fit its weights, or is no causal language model, is an error.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reranker.errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

CAUSAL = ("ForCausalLM", "LMHeadModel")
CONVERT = (
    "convert it once on a machine where you trust the file: "
    "AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new_folder) "
    "writes safetensors (save the tokenizer there too)"
)

log = logging.getLogger(__name__)


def read_model(
    folder: Path, *, dtype: torch.dtype, device: torch.device, **options: Any
) -> PreTrainedModel:
    """Build the folder's model on `device`; `options` go to transformers.

    Call inside `reranker.loading.loading`.

    Raises:
        ModelError: for a folder without a whole causal language model.
    """
    from transformers import AutoModelForCausalLM

    config = _read_config(folder, **options)
    if "gguf_file" not in options:
        _check_weights(folder)
    model, report = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        device_map=None if device.type == "cpu" else {"": str(device)},
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
        **options,
    )
    _check_report(folder, report)
    return model


def read_tokenizer(folder: Path, **options: Any) -> PreTrainedTokenizerFast:
    """The folder's tokenizer; `options` go to transformers.

    Raises:
        ModelError: for one without a `backend_tokenizer`, which every layout needs.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **options)
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise ModelError(
            f"{folder} holds a {type(tokenizer).__name__}, which is written in Python; a fast "
            "tokenizer is needed: add the model's tokenizer.json"
        )
    return tokenizer


def check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Refuse a tokenizer that can give ids for which the model has no embedding."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer knows {len(tokenizer)} tokens and the model {rows}: they do not "
            "belong together; use the tokenizer that the model was saved with"
        )


def describe(folder: Path) -> str:
    """What a folder holds, in a few words."""
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return "nothing"
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _read_config(folder: Path, **options: Any) -> PreTrainedConfig:
    from transformers import AutoConfig

    if "gguf_file" in options:
        config = AutoConfig.from_pretrained(folder, gguf_file=options["gguf_file"])
    else:
        _check_folder(folder)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    _check_causal(folder, config)
    return config


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file; expected a folder with a model, or a .gguf file")
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} holds {describe(folder)}; expected config.json and *.safetensors (a model) "
            "or adapter_config.json and adapter_model.safetensors (an adapter); for a .gguf file "
            "give the path of the file itself"
        )


def _check_causal(folder: Path, config: PreTrainedConfig) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    names = config.architectures or []
    # Encoders can be wrapped as decoders; Pythia's config says is_decoder=False and is one.
    encoder = getattr(config, "is_decoder", True) is False and not any(
        name.endswith(CAUSAL) for name in names
    )
    sequence = getattr(config, "is_encoder_decoder", False)
    if encoder or sequence or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        kind = "an encoder-decoder" if sequence else "no causal language model"
        raise ModelError(
            f"{folder} holds {', '.join(names) or config.model_type}, which is {kind}; expected a "
            "decoder such as LlamaForCausalLM or Qwen3ForCausalLM"
        )


def _check_weights(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for path in folder.glob("*.bin"))
    found = f"its weights as {pickles[0]}, a pickle" if pickles else describe(folder)
    raise ModelError(
        f"{folder} holds {found}; expected *.safetensors. Pickles can run code and are never "
        f"read: {CONVERT}"
    )


def _check_report(folder: Path, report: dict[str, Any]) -> None:
    absent = sorted(report.get("missing_keys") or ())
    if absent:
        raise ModelError(
            f"the weights in {folder} lack {len(absent)} of the model's tensors, such as "
            f"{absent[0]!r}, which would be random; expected a whole causal language model"
        )
    if extra := sorted(report.get("unexpected_keys") or ()):
        log.warning("%s: %d tensor(s) not used, such as %r", folder, len(extra), extra[0])


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        ModelError: for anything else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({error}); restore it") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} holds a {type(values).__name__}; expected a JSON object")
    return values
