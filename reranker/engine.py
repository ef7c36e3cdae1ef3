"""The engine: token ids in, the exact logit of every identifier out, nothing generated.

Rows of different length are packed into one sequence without padding; the head is computed at
each row's last position and for the identifiers' rows of the vocabulary alone; no keys or
values are kept. See FIRST (arXiv 2406.15657) for reading a ranking off one token's logits.
"""

import logging
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING
from weakref import WeakSet

import torch
from torch import Tensor, nn

from reranker.adapted_tokens import is_adapted_partly
from reranker.errors import EngineError, InputError, ModelError, NonFiniteLogitsError
from reranker.head import ExactHead
from reranker.likelihood import Head, log_likelihoods, take_head, weighted
from reranker.packing import pack, packed_logits, row_logits
from reranker.parts import within
from reranker.passage_cache import PassageCache
from reranker.prompt import Prompt
from reranker.reading import answer, check_keeps, in_memory, read
from reranker.slots import Slots
from reranker.weights_print import weights_print

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

_BATCH_TOKENS = {"cpu": 4096, "cuda": 65536}
# Models that an engine has changed for good.
_TAKEN: "WeakSet[PreTrainedModel]" = WeakSet()


class Engine:
    """Scores prompts with one model, which it takes over: do not use the model elsewhere.

    Args:
        model: a causal LM in eval mode on its device.
        identifier_ids: every token that a prompt may ask the logit of, a null candidate's too.
        batch_tokens: the most tokens of one pass; a longer row passes alone. Chosen by device
            when not given.
        cache: keeps what the model reads of passages, for layouts that allow it.
        whole_head: hold the head's rows of all tokens, for prompts that read how likely the query
            is; otherwise the identifiers' alone.

    Raises:
        ModelError: for a model that another engine has taken over, or that gives NaN.
        InputError: for batch_tokens below 1.

    `packs` says whether rows share passes. Those of a model that cannot be packed exactly (see
    `reranker.packing`) pass one at a time, as a warning says.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        identifier_ids: Sequence[int],
        *,
        batch_tokens: int | None = None,
        cache: PassageCache | None = None,
        whole_head: bool = False,
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
        # Where in the logits each identifier's is: a whole head has a row for every token.
        self._columns = {token: token for token in identifier_ids}
        self.packs = pack(model)
        if cache is not None:
            check_keeps(model, self.packs)
        self.cache = cache
        # Before the head is narrowed: the same model has the same print for all identifiers.
        self._print = b"" if cache is None else weights_print(model, of_passages=True)
        if not self.packs:
            logger.warning(
                "%s cannot be packed exactly; its windows pass one at a time",
                type(model).__name__,
            )
        self.whole_head = whole_head
        self._head: Head = nn.Identity()
        if not whole_head:
            self._narrow_head(list(identifier_ids))
        elif self.packs:
            self._head = take_head(model)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the model's weights."""
        dtype: torch.dtype = self._model.dtype
        return dtype

    @property
    def model_print(self) -> bytes:
        """32 bytes that tell this model's weights and the identifiers' rows of its head."""
        return weights_print(self._model)

    def score(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """The scores of every prompt's passages, each `(passages,)`, in the order given.

        Identifier logits; with the query's weighted log-likelihood where a prompt asks for it;
        less the null candidate's score where it names one.

        Raises:
            NonFiniteLogitsError: for NaN or infinity, naming the rows.
            EngineError: for a row that does not fit into the device's memory, or one that asks
                for the likelihood where the head was not held whole.
        """
        if not self.whole_head and any(prompt.asked for prompt in prompts):
            raise EngineError("the query's likelihood needs an engine made with whole_head")
        if self.cache is not None and all(p.tail is not None for p in prompts):
            with in_memory(self.device):
                scores = [self._score_kept(prompt, self.cache) for prompt in prompts]
        else:
            scores = [row for part in self._passes(prompts) for row in self._score_pass(part)]
        finite = torch.tensor([all(map(_is_finite, row)) for row in scores])
        if not bool(finite.all()):
            raise NonFiniteLogitsError((~finite).nonzero().flatten().tolist())
        return scores

    def _passes(self, prompts: Sequence[Prompt]) -> Iterator[list[Prompt]]:
        """Neighbouring prompts, as many as the token budget of one pass takes."""
        return within(prompts, len, self.batch_tokens if self.packs else 0)

    def _score_pass(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        try:
            found = self._forward(prompts)
        except torch.cuda.OutOfMemoryError:
            found = None
        # Outside of the handler, so that nothing of the failed pass is held any longer.
        if found is None:
            return self._score_halves(prompts)
        return [self._picked(*read, prompt) for read, prompt in zip(found, prompts, strict=True)]

    def _picked(
        self, logits: Tensor, likelihoods: Tensor | None, prompt: Prompt
    ) -> tuple[float, ...]:
        """A prompt's scores out of its row of logits, and of the query's after each block."""
        candidates = [*prompt.identifier_ids, *([] if prompt.null_id is None else [prompt.null_id])]
        scores = logits[[self._columns[token] for token in candidates]]
        if prompt.asked is not None and likelihoods is not None:
            scores = scores + weighted(likelihoods, prompt)
        if prompt.null_id is not None:
            scores = scores[:-1] - scores[-1]
        return tuple(scores.tolist())

    def _score_kept(self, prompt: Prompt, cache: PassageCache) -> tuple[float, ...]:
        """One prompt's scores over kept passages; what is not kept yet is read first."""
        prefix, kept = cache.fetch(self._print, prompt.prefix, prompt.passages, self._read)
        slots = Slots(
            prefix,
            kept,
            tail=prompt.tail or 0,
            closing=len(prompt.closing),
            device=self.device,
            dtype=self._model.dtype,
        )
        asked = prompt.predictions(kept=True)
        places = [place for place, _ in asked]
        states = answer(
            self._model, slots, [*chain.from_iterable(prompt.tails), *prompt.closing], places
        )
        [logits] = self._logits(states[:1])
        likelihoods = self._likelihoods(states[1:], asked, prompt)
        return self._picked(logits, likelihoods, prompt)

    def keep(self, prompts: Sequence[Prompt]) -> int:
        """Read the passages of prompts ahead of any query, as far as they are not kept yet.

        Returns:
            How many were read.

        Raises:
            EngineError: for an engine without a passage cache.
        """
        if self.cache is None:
            raise EngineError("this engine keeps no passages; make it with a passage cache")
        if not prompts:
            return 0
        # The null candidate's is empty.
        passages = [p for prompt in prompts for p in prompt.passages if p or not prompt.asked]
        with in_memory(self.device):
            return self.cache.add(self._print, prompts[0].prefix, passages, self._read)

    def _read(
        self, prefix: tuple[int, ...], passages: Sequence[tuple[int, ...]]
    ) -> Iterator[Tensor]:
        """Keys and values of the prefix, then of each passage; passes as long as for scoring."""
        for place, part in enumerate(list(within(passages, len, self.batch_tokens)) or [[]]):
            first, *rest = read(self._model, prefix, part)
            yield from rest if place else (first, *rest)

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

    def _forward(self, prompts: Sequence[Prompt]) -> list[tuple[Tensor, Tensor | None]]:
        """Of each prompt the logits after its last token, `(identifiers,)`, and the query's
        log-likelihoods after its blocks, `(blocks,)`, where it asks for them."""
        rows = [prompt.token_ids for prompt in prompts]
        if self.packs:
            levels = [prompt.levels for prompt in prompts]
            asked = [prompt.predictions() for prompt in prompts]
            places = [[place for place, _ in found] for found in asked]
            partly = is_adapted_partly(self._model)
            acting = [prompt.adapted for prompt in prompts] if partly else ()
            states = packed_logits(self._model, rows, levels, places, acting)
            last, *others = torch.split(states, [len(rows), *map(len, places)])
            logits = self._logits(last)
            likelihoods = map(self._likelihoods, others, asked, prompts)
            return list(zip(logits, likelihoods, strict=True))
        if any(prompt.apart for prompt in prompts):
            raise EngineError(
                f"{type(self._model).__name__} cannot be packed, so it cannot read passages apart "
                "from each other; use layout='suffix' or 'listwise'"
            )
        return [(row_logits(self._model, row).float().cpu(), None) for row in rows]

    @torch.inference_mode()
    def _logits(self, states: Tensor) -> Tensor:
        """What is left to do to the last token's states, or logits, `(rows, …)`; on the CPU."""
        return self._head(states).float().cpu()

    def _likelihoods(
        self, states: Tensor, asked: Sequence[tuple[int, int]], prompt: Prompt
    ) -> Tensor | None:
        """The query's after each block, `(blocks,)`, where the prompt asks for them."""
        if not asked:
            return None
        return log_likelihoods(states, asked, len(prompt.blocks), self._head)

    def _narrow_head(self, identifier_ids: list[int]) -> None:
        """Keep the identifiers' rows of the head alone."""
        head = self._model.get_output_embeddings()
        if type(head) is not nn.Linear:
            # A quantized or unusual head is computed whole, and its columns picked.
            return
        self._columns = {token: column for column, token in enumerate(identifier_ids)}
        rows = torch.tensor(identifier_ids, device=head.weight.device)
        self._model.set_output_embeddings(ExactHead(head, rows))


def _is_finite(value: float) -> bool:
    return value - value == 0.0
