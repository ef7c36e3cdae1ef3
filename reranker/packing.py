"""Rows packed into one sequence, and whether a model gives each its own logits there.

Architectures whose layers mix neighbouring tokens outside of attention (state spaces,
convolutions), add to it (ALiBi, sinks, soft caps), or stretch their positions with the longest
row cannot be packed exactly. They are found by their configuration and by trying.
"""

import logging
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from reranker import attention
from reranker.adapted_tokens import adapted
from reranker.errors import EngineError, ModelError
from reranker.levels import Levels, plain, positions
from reranker.packed_rows import PackedRows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

_ROW_LAYERS = {"full_attention", "sliding_attention"}
_STRETCHED_ROPES = {"dynamic", "longrope"}
# How far any logit may be off, as a share of the logits' standard deviation.
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
# In fewer bits, how far they may be off as a whole (the root of the mean square): rounding alone
# gives .036 in bfloat16 over thirty layers, and four times as much for the unluckiest of 100,000
# logits; the least that a model which packing gets wrong gave is .165.
_ROUNDING = 0.08
_SAMPLE = (41, 24)


def pack(model: "PreTrainedModel") -> bool:
    """Switch a model to packed attention, if its logits stay those of the plain forward.

    Returns:
        Whether it was switched; if not, the model is as it was.

    Raises:
        ModelError: for a model that gives NaN or infinity for ordinary tokens.
    """
    rows = _sample(int(model.get_input_embeddings().weight.shape[0]))
    expected = torch.stack([row_logits(model, row) for row in rows]).float()
    if not bool(expected.isfinite().all()):
        raise ModelError(
            "the model gives NaN or infinite logits for ordinary tokens: its weights are "
            f"damaged or {model.dtype} is too narrow for them; try dtype='float32'"
        )
    before = model.config._attn_implementation
    attention.register()
    if _is_local(model.config) and _agrees(model, rows, expected):
        return True
    model.set_attn_implementation(before)
    return False


@torch.inference_mode()
def packed_logits(
    model: "PreTrainedModel",
    rows: Sequence[Sequence[int]],
    levels: Sequence[Levels] | None = None,
    also: Sequence[Sequence[int]] = (),
    acting: Sequence[Sequence[bool]] = (),
) -> Tensor:
    """The logits after each row's last token, `(rows, rows of the head)`, of a packed model.

    Args:
        model: a packed model.
        rows: token ids.
        levels: the rows' structures; causal ones when not given.
        also: further places of each row whose logits follow, row by row.
        acting: which tokens of each row an adapter acts on that is told so; all when not given.
    """
    lengths = [len(row) for row in rows]
    ends = list(accumulate(lengths))
    starts = [end - length for end, length in zip(ends, lengths, strict=True)]
    read = [end - 1 for end in ends]
    read += [start + place for start, row in zip(starts, also, strict=False) for place in row]
    structures = [plain(length) for length in lengths] if levels is None else list(levels)
    tokens = torch.tensor([token for row in rows for token in row], device=model.device)
    places = torch.tensor([p for row in structures for p in positions(row)], device=model.device)
    flags = [flag for row in acting for flag in row] or [True]
    output = model(
        **adapted(model, flags),
        input_ids=tokens[None],
        position_ids=places[None],
        packed_rows=PackedRows(structures),
        logits_to_keep=torch.tensor(read, device=model.device),
        use_cache=False,
    )
    logits: Tensor = output.logits[0]
    return logits


@torch.inference_mode()
def row_logits(model: "PreTrainedModel", row: Sequence[int]) -> Tensor:
    """The logits after one row's last token, `(rows of the head,)`, of a model as it comes."""
    tokens = torch.tensor([list(row)], device=model.device)
    output = model(input_ids=tokens, use_cache=False, logits_to_keep=1)
    logits: Tensor = output.logits[0, -1]
    return logits


def _sample(vocabulary: int) -> list[list[int]]:
    """Two rows of tokens from all over the vocabulary, the same each time."""
    tokens = [(7919 * place + 101) % vocabulary for place in range(sum(_SAMPLE))]
    return [tokens[: _SAMPLE[0]], tokens[_SAMPLE[0] :]]


def _agrees(model: "PreTrainedModel", rows: list[list[int]], expected: Tensor) -> bool:
    """Whether packed logits are the expected ones, `(rows, vocabulary)`, by their spread."""
    try:
        model.set_attn_implementation(attention.PACKED)
        if model.config._attn_implementation != attention.PACKED:
            return False
        found = packed_logits(model, rows).float()
    except (EngineError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        logger.debug("packed attention failed", exc_info=error)
        return False
    return alike(found, expected, model.dtype)


def alike(found: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    """Whether a model of that type may have given both logits, by the spread of the expected."""
    off = (found - expected) / expected.std().clamp_min(1e-30)
    if dtype in _TOLERANCE:
        return float(off.abs().max()) < _TOLERANCE[dtype]
    return float(off.square().mean().sqrt()) < _ROUNDING


def _is_local(config: Any) -> bool:
    """Whether the configuration lets a row's logits depend on that row alone."""
    config = config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ())
    rope = getattr(config, "rope_parameters", None) or {}
    ropes = [rope, *(value for value in rope.values() if isinstance(value, dict))]
    return layers <= _ROW_LAYERS and not any(r.get("rope_type") in _STRETCHED_ROPES for r in ropes)
