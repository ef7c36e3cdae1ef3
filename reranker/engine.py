"""The engine: token ids in, the exact logit of every identifier out, nothing generated.

Rows of different length are packed into one sequence without padding; the head is computed at
each row's last position and for the identifiers' rows of the vocabulary alone; no keys or
values are kept. See FIRST (arXiv 2406.15657) for reading a ranking off one token's logits.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from reranker import attention
from reranker.errors import EngineError, InputError, ModelError, NonFiniteLogitsError
from reranker.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

_BATCH_TOKENS = {"cpu": 4096, "cuda": 65536}
_ROW_LAYERS = {"full_attention", "sliding_attention"}
_STRETCHED_ROPES = {"dynamic", "longrope"}
# How far packed logits may be off, as a share of the logits' standard deviation.
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
_SAMPLE = (41, 24)
# Models that an engine has changed for good.
_TAKEN: "WeakSet[PreTrainedModel]" = WeakSet()


class Engine:
    """Scores prompts with one model, which it takes over: do not use the model elsewhere.

    Args:
        model: a causal LM in eval mode on its device.
        identifier_ids: every token that a prompt may ask the logit of.
        batch_tokens: the most tokens of one pass; a longer row passes alone. Chosen by device
            when not given.

    Raises:
        ModelError: for a model that another engine has taken over, or that gives NaN.
        InputError: for batch_tokens below 1.

    `packs` says whether rows share passes. Architectures whose layers mix neighbouring tokens
    outside of attention (state spaces, convolutions, ALiBi), or whose positions stretch with the
    longest row, cannot be packed exactly: they are found at construction, by their configuration
    and by trying, and their rows pass one at a time, as a warning says.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        identifier_ids: Sequence[int],
        *,
        batch_tokens: int | None = None,
    ) -> None:
        if model in _TAKEN:
            raise ModelError(
                "an engine has taken this model over already; use Reranker.with_settings for other "
                "settings of the same reranker, or load the model again"
            )
        if batch_tokens is not None and batch_tokens < 1:
            raise InputError(f"batch_tokens must be at least 1, found {batch_tokens}")
        _TAKEN.add(model)
        self._model = model
        self.device: torch.device = model.device
        self.batch_tokens = batch_tokens or _BATCH_TOKENS.get(self.device.type, 8192)
        self.identifier_ids = tuple(identifier_ids)
        self._columns = {token: column for column, token in enumerate(identifier_ids)}
        expected = torch.stack([self._plain_row(row) for row in self._sample()]).float()
        if not bool(expected.isfinite().all()):
            raise ModelError(
                "the model gives NaN or infinite logits for ordinary tokens: its weights are "
                f"damaged or {model.dtype} is too narrow for them; try dtype='float32'"
            )
        self._narrow_head(list(identifier_ids))
        self.packs = self._try_packing(expected)

    def score(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """The identifier logits of every prompt, each `(passages,)`, in the order given.

        Raises:
            NonFiniteLogitsError: for NaN or infinity, naming the rows.
            EngineError: for a row that does not fit into the device's memory.
        """
        scores = [row for part in self._passes(prompts) for row in self._score_pass(part)]
        finite = torch.tensor([all(map(_is_finite, row)) for row in scores])
        if not bool(finite.all()):
            raise NonFiniteLogitsError((~finite).nonzero().flatten().tolist())
        return scores

    def _passes(self, prompts: Sequence[Prompt]) -> Iterator[list[Prompt]]:
        """Neighbouring prompts, as many as the token budget of one pass takes."""
        part: list[Prompt] = []
        tokens = 0
        for prompt in prompts:
            if part and (not self.packs or tokens + len(prompt) > self.batch_tokens):
                yield part
                part, tokens = [], 0
            part.append(prompt)
            tokens += len(prompt)
        if part:
            yield part

    def _score_pass(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        try:
            logits = self._forward([prompt.token_ids for prompt in prompts]).float().cpu()
        except torch.cuda.OutOfMemoryError:
            logits = None
        # Outside of the handler, so that nothing of the failed pass is held any longer.
        if logits is None:
            return self._score_halves(prompts)
        return [
            tuple(row[[self._columns[token] for token in prompt.identifier_ids]].tolist())
            for row, prompt in zip(logits, prompts, strict=True)
        ]

    def _score_halves(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        torch.cuda.empty_cache()
        if len(prompts) == 1:
            raise EngineError(
                f"a window of {len(prompts[0])} tokens does not fit into the memory of "
                f"{self.device}; use a smaller window or fewer passage_tokens"
            )
        self.batch_tokens = max(*map(len, prompts), sum(map(len, prompts)) // 2)
        logger.warning("out of device memory: passes now hold %d tokens", self.batch_tokens)
        middle = len(prompts) // 2
        return [*self._score_pass(prompts[:middle]), *self._score_pass(prompts[middle:])]

    def _forward(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """The logits after each row's last token, `(rows, identifiers)`."""
        if not self.packs:
            return torch.stack([self._plain_row(row) for row in rows])
        return self._packed_rows(rows)

    @torch.inference_mode()
    def _packed_rows(self, rows: Sequence[Sequence[int]]) -> Tensor:
        lengths = [len(row) for row in rows]
        tokens = torch.tensor([token for row in rows for token in row], device=self.device)
        positions = torch.cat([torch.arange(n, device=self.device) for n in lengths])
        last = torch.tensor(lengths, device=self.device).cumsum(0) - 1
        output = self._model(
            input_ids=tokens[None],
            position_ids=positions[None],
            row_lengths=lengths,
            logits_to_keep=last,
            use_cache=False,
        )
        logits: Tensor = output.logits[0]
        return logits

    @torch.inference_mode()
    def _plain_row(self, row: Sequence[int]) -> Tensor:
        """The logits after one row's last token, as the model computes them unpacked."""
        tokens = torch.tensor([list(row)], device=self.device)
        output = self._model(input_ids=tokens, use_cache=False, logits_to_keep=1)
        logits: Tensor = output.logits[0, -1]
        return logits

    def _narrow_head(self, identifier_ids: list[int]) -> None:
        """Keep the identifiers' rows of the head alone."""
        head = self._model.get_output_embeddings()
        if type(head) is not nn.Linear:
            # A quantized or unusual head is computed whole, and its columns picked.
            self._columns = {token: token for token in identifier_ids}
            return
        rows = torch.tensor(identifier_ids, device=head.weight.device)
        narrow = nn.Linear(head.in_features, len(rows), bias=head.bias is not None, device="meta")
        narrow.weight = nn.Parameter(head.weight.detach()[rows], requires_grad=False)
        if head.bias is not None:
            narrow.bias = nn.Parameter(head.bias.detach()[rows], requires_grad=False)
        self._model.set_output_embeddings(narrow)

    def _sample(self) -> list[list[int]]:
        """Two rows of tokens from all over the vocabulary, the same each time."""
        vocabulary = int(self._model.get_input_embeddings().weight.shape[0])
        tokens = [(7919 * place + 101) % vocabulary for place in range(sum(_SAMPLE))]
        return [tokens[: _SAMPLE[0]], tokens[_SAMPLE[0] :]]

    def _try_packing(self, expected: Tensor) -> bool:
        """Switch to packed attention if its logits are those of the plain forward.

        Args:
            expected: `(rows, vocabulary)`, the sample's logits from the plain forward; their
                spread is what a difference is measured by.
        """
        config = self._model.config
        before = config._attn_implementation
        attention.register()
        try:
            self._model.set_attn_implementation(attention.PACKED)
            found = self._packed_rows(self._sample())[:, list(self._columns.values())].float()
            wanted = expected[:, list(self.identifier_ids)]
            error = float((found - wanted).abs().max() / expected.std().clamp_min(1e-30))
            packs = _is_local(config) and config._attn_implementation == attention.PACKED
            packs &= error < _TOLERANCE.get(self._model.dtype, 0.15)
        except (EngineError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            logger.debug("packed attention failed", exc_info=error)
            packs = False
        if not packs:
            self._model.set_attn_implementation(before)
            logger.warning(
                "%s cannot be packed exactly; its windows pass one at a time",
                type(self._model).__name__,
            )
        return packs


def _is_local(config: Any) -> bool:
    """Whether a row's logits depend on that row alone when others share its sequence.

    Layers that are no attention over the row carry state across rows; rotary embeddings that
    stretch with the longest row make short rows depend on it.
    """
    config = config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ())
    rope = getattr(config, "rope_parameters", None) or {}
    ropes = [rope, *(value for value in rope.values() if isinstance(value, dict))]
    return layers <= _ROW_LAYERS and not any(r.get("rope_type") in _STRETCHED_ROPES for r in ropes)


def _is_finite(value: float) -> bool:
    return value - value == 0.0
