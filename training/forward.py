"""The forward pass of training: a pack in, identifier logits out, with gradients.

- The head is computed at the positions that are read and, for rankings, for the identifiers'
  rows of the vocabulary alone: swapped in for the call, the model itself is never changed.
- The head is computed in float32 whatever the rest is, as the engine does.
- Everything that a model does to its logits after the head is done by the model's own code.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from reranker.adapted_tokens import ARGUMENT
from reranker.errors import ModelError
from reranker.packing import pack
from training.pack import Pack, Queries

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Logits(NamedTuple):
    """What is read of a pack.

    `scores` `(queries, passages)`: the logits of each passage's identifier after its prompt, less
    the null candidate's if any, with the query's likelihood where it is part of them; what stands
    at padding has no meaning. `answers` `(queries, tokens, vocabulary)` and `asked` `(tokens,
    vocabulary)`: the logits that the pack's answers, and its queries' own tokens, are told by.
    """

    scores: Tensor
    answers: Tensor | None = None
    asked: Tensor | None = None


def read_pack(
    model: "PreTrainedModel",
    pack: Pack,
    *,
    neftune: float = 0.0,
    weights: Mapping[str, Tensor] | None = None,
) -> Logits:
    """The logits of a pack, by one forward pass.

    Args:
        model: a causal LM for which `pack_attention` was called.
        pack: the rows.
        neftune: the alpha of NEFTune's noise; 0 for none.
        weights: by name, what to compute with in place of the model's own; a tied weight is named
            under each of its names.
    """
    swapped = dict(weights or {})
    if pack.answers is None and pack.queries is None:
        return Logits(_scores(_identifier_logits(model, pack, swapped, neftune), pack))
    ends = pack.read if pack.answers is None else pack.answers.read.flatten()
    also = ends[:0] if pack.queries is None else pack.queries.read
    logits = _logits(model, pack, torch.cat([ends, also]), swapped, neftune)
    last, asked = logits[: len(ends)], None if pack.queries is None else logits[len(ends) :]
    answers = None if pack.answers is None else last.view(*pack.answers.read.shape, -1)
    first = last if answers is None else answers[:, 0]
    return Logits(_scores(first[:, pack.identifiers], pack, asked), answers, asked)


def pack_attention(model: "PreTrainedModel") -> None:
    """Set a model to attention over packed rows.

    Raises:
        ModelError: for an architecture that does not give packed rows their own logits.
    """
    if not pack(model):
        raise ModelError(
            f"{type(model).__name__} mixes rows that share a sequence, so it cannot be trained on "
            "packed rows; choose a model whose layers are all attention with rotary positions"
        )


def _identifier_logits(
    model: "PreTrainedModel", pack: Pack, swapped: dict[str, Tensor], neftune: float
) -> Tensor:
    """Every identifier's logits at the queries' ends, `(queries, identifiers)`."""
    head = model.get_output_embeddings()
    if type(head) is nn.Linear and not swapped:
        narrow = _narrow(model, head, pack.identifiers)
        return _logits(model, pack, pack.read, narrow, neftune)
    # A quantized or adapted head is computed whole, and its columns picked.
    return _logits(model, pack, pack.read, swapped, neftune)[:, pack.identifiers]


def _scores(logits: Tensor, pack: Pack, asked: Tensor | None = None) -> Tensor:
    """Each passage's score, `(queries, passages)`.

    Out of `(queries, identifiers)` logits, and the `(tokens, vocabulary)` logits of the queries'
    own tokens, where their likelihood is part of the scores.
    """
    scores = logits.gather(1, pack.columns)
    null = None if pack.null is None else logits[:, pack.null, None]
    if pack.queries is not None and asked is not None:
        likelihoods = _likelihoods(asked, pack.queries, len(scores))
        scores = scores + likelihoods[:, : scores.shape[1]]
        null = None if null is None else null + likelihoods[:, -1:]
    return scores if null is None else scores - null


def _likelihoods(logits: Tensor, queries: Queries, rows: int) -> Tensor:
    """The weighted log-likelihood of each query after every candidate, `(rows, width)`."""
    lost = F.cross_entropy(logits.float(), queries.targets, reduction="none")
    sums = lost.new_zeros(rows * queries.width).index_add(0, queries.candidates, lost)
    return -queries.weight * sums.view(rows, queries.width)


def _logits(
    model: "PreTrainedModel", pack: Pack, read: Tensor, swapped: dict[str, Tensor], neftune: float
) -> Tensor:
    """The logits at `read`, `(positions, vocabulary)`."""
    options: dict[str, Any] = {
        "position_ids": pack.positions[None],
        "packed_rows": pack.rows,
        "logits_to_keep": read,
        "use_cache": False,
    }
    if pack.adapted is not None:
        options[ARGUMENT] = pack.adapted
    if neftune and model.training:
        embedded = model.get_input_embeddings()(pack.tokens[None])
        options["inputs_embeds"] = embedded + _noise(embedded, pack, neftune)
    else:
        options["input_ids"] = pack.tokens[None]
    with _exact(model.get_output_embeddings()):
        output = functional_call(model, swapped, (), options, tie_weights=False)
    logits: Tensor = output.logits[0]
    return logits


@contextmanager
def _exact(head: nn.Module) -> Iterator[None]:
    """A linear head in float32 at least, under autocast too; see `reranker.head.ExactHead`."""
    if type(head) is not nn.Linear:
        yield
        return

    def forward(states: Tensor) -> Tensor:
        dtype = torch.promote_types(head.weight.dtype, torch.float32)
        bias = None if head.bias is None else head.bias.to(dtype)
        with torch.autocast(states.device.type, enabled=False):
            return F.linear(states.to(dtype), head.weight.to(dtype), bias)

    head.forward = forward  # type: ignore[assignment]
    try:
        yield
    finally:
        del head.forward


def _narrow(model: nn.Module, head: nn.Linear, identifiers: Tensor) -> dict[str, Tensor]:
    """The head's parameters under their names, cut to the identifiers' rows."""
    [name] = [name for name, module in model.named_modules() if module is head]
    return {f"{name}.{key}": value[identifiers] for key, value in head.named_parameters()}


def _noise(embedded: Tensor, pack: Pack, alpha: float) -> Tensor:
    """NEFTune (arXiv 2310.05914): uniform within alpha / sqrt(tokens × width) of each example."""
    lengths = torch.tensor(pack.lengths, device=embedded.device)
    scale = alpha / (lengths * embedded.shape[-1]).to(embedded.dtype).sqrt()
    noise = torch.empty_like(embedded).uniform_(-1, 1)
    return noise * scale.repeat_interleave(lengths)[None, :, None]
