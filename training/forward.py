"""The forward pass of training: a pack in, identifier logits out, with gradients.

- The head is computed at the positions that are read and, for rankings, for the identifiers'
  rows of the vocabulary alone: swapped in for the call, the model itself is never changed.
- Everything that a model does to its logits after the head is done by the model's own code.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from reranker import attention
from reranker.errors import ModelError
from training.pack import Pack

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SAMPLE = 41
# How far packed logits may be off, as a share of the logits' standard deviation.
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
# How far a row's logits may move when the row before it becomes another.
_LEAK = 1e-6


def identifier_logits(model: "PreTrainedModel", pack: Pack, *, neftune: float = 0.0) -> Tensor:
    """The logits of each passage's identifier after its prompt.

    Args:
        model: a causal LM for which `pack_attention` was called.
        pack: the rows.
        neftune: the alpha of NEFTune's noise; 0 for none.

    Returns:
        `(rows, passages)`; what stands at padding has no meaning.
    """
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear:
        # A quantized or adapted head is computed whole, and its columns picked.
        logits = _logits(model, pack, pack.read, {}, neftune)[:, pack.identifiers]
    else:
        logits = _logits(model, pack, pack.read, _narrow(model, head, pack.identifiers), neftune)
    return logits.gather(1, pack.columns)


def all_logits(
    model: "PreTrainedModel", pack: Pack, *, neftune: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The identifier logits as in `identifier_logits`, and those of the answers' tokens.

    Returns:
        `(rows, passages)` and `(rows, tokens, vocabulary)`.
    """
    assert pack.answers is not None, "the pack was made with answers"
    logits = _logits(model, pack, pack.answers.read.flatten(), {}, neftune)
    tokens = logits.view(*pack.answers.read.shape, -1)
    return tokens[:, 0, pack.identifiers].gather(1, pack.columns), tokens


def pack_attention(model: "PreTrainedModel") -> None:
    """Set a model to attention over packed rows.

    Raises:
        ModelError: for an architecture that does not give packed rows their own logits.
    """
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    first, other, second = (_sample(vocabulary, number) for number in range(3))
    with torch.no_grad():
        expected = torch.stack([_plain(model, first), _plain(model, second)])
        attention.register()
        try:
            model.set_attn_implementation(attention.PACKED)
            found, beside_another = _packed(model, first, second), _packed(model, other, second)
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(_unpackable(model)) from error
    spread = expected.std().clamp_min(1e-30)
    off = float((found - expected).abs().max() / spread)
    leak = float((found[1] - beside_another[1]).abs().max() / spread)
    if not (off < _TOLERANCE.get(model.dtype, 0.15) and leak < _LEAK):
        raise ModelError(_unpackable(model))


def _logits(
    model: "PreTrainedModel", pack: Pack, read: Tensor, swapped: dict[str, Tensor], neftune: float
) -> Tensor:
    """The logits at `read`, `(positions, vocabulary)`."""
    options: dict[str, Any] = {
        "position_ids": pack.positions[None],
        "row_lengths": list(pack.lengths),
        "logits_to_keep": read,
        "use_cache": False,
    }
    if neftune and model.training:
        embedded = model.get_input_embeddings()(pack.tokens[None])
        options["inputs_embeds"] = embedded + _noise(embedded, pack, neftune)
    else:
        options["input_ids"] = pack.tokens[None]
    output = functional_call(model, swapped, (), options, tie_weights=False)
    logits: Tensor = output.logits[0]
    return logits


def _narrow(model: nn.Module, head: nn.Linear, identifiers: Tensor) -> dict[str, Tensor]:
    """The head's parameters under their names, cut to the identifiers' rows."""
    [name] = [name for name, module in model.named_modules() if module is head]
    return {f"{name}.{key}": value[identifiers] for key, value in head.named_parameters()}


def _noise(embedded: Tensor, pack: Pack, alpha: float) -> Tensor:
    """NEFTune (arXiv 2310.05914): uniform within alpha / sqrt(tokens × width) of each row."""
    lengths = torch.tensor(pack.lengths, device=embedded.device)
    scale = alpha / (lengths * embedded.shape[-1]).to(embedded.dtype).sqrt()
    noise = torch.empty_like(embedded).uniform_(-1, 1)
    return noise * scale.repeat_interleave(lengths)[None, :, None]


def _plain(model: "PreTrainedModel", row: list[int]) -> Tensor:
    tokens = torch.tensor([row], device=model.device)
    logits: Tensor = model(input_ids=tokens, use_cache=False, logits_to_keep=1).logits[0, -1]
    return logits.float()


def _sample(vocabulary: int, number: int) -> list[int]:
    """A row of tokens from all over the vocabulary."""
    return [(7919 * (place + number * _SAMPLE) + 101) % vocabulary for place in range(_SAMPLE)]


def _packed(model: "PreTrainedModel", *rows: list[int]) -> Tensor:
    """The logits after each row, `(rows, vocabulary)`."""
    device, lengths = model.device, [len(row) for row in rows]
    logits: Tensor = model(
        input_ids=torch.tensor([[token for row in rows for token in row]], device=device),
        position_ids=torch.cat([torch.arange(n, device=device) for n in lengths])[None],
        row_lengths=lengths,
        logits_to_keep=torch.tensor(lengths, device=device).cumsum(0) - 1,
        use_cache=False,
    ).logits[0]
    return logits.float()


def _unpackable(model: nn.Module) -> str:
    return (
        f"{type(model).__name__} mixes rows that share a sequence, so it cannot be trained on "
        "packed rows; choose a model whose layers are all attention with rotary positions"
    )
