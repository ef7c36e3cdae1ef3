"""One training step over the same rows in two ways: as this project does it, and as usual.

- Packed: rows one after the other without padding, the head computed at each row's last token and
  for the identifiers alone.
- Padded: rows filled up to the longest, transformers' own forward pass, and the head over the
  whole vocabulary at every position, of which one a row is then read.

Both train the same adapter from the same first weights, with the same objective and optimizer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from reranker.checkpoint import context_tokens
from reranker.device import choose_device
from reranker.encoder import Encoder
from training.examples import Example
from training.job import examples_of
from training.model import ListwiseModel, build, precision
from training.objectives import PassageScores
from training.pack import Pack, packed
from training.recipe import Recipe
from training.sources import open_source


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one step: packed, and padded on the right, `(rows, longest)` and its mask."""

    pack: Pack
    tokens: Tensor
    seen: Tensor

    @classmethod
    def of(cls, examples: Sequence[Example], filler: int, device: torch.device) -> "Batch":
        """The batch of these examples, of one query each."""
        pack = packed(examples)
        rows = torch.split(pack.tokens, [len(example) for example in examples])
        fill = torch.nn.utils.rnn.pad_sequence
        seen = fill([torch.ones_like(row) for row in rows], batch_first=True)
        tokens = fill(list(rows), batch_first=True, padding_value=filler)
        return cls(pack.to(device), tokens.to(device), seen.to(device))

    @property
    def real(self) -> int:
        """Its tokens without padding."""
        return len(self.pack.tokens)

    @property
    def padding(self) -> float:
        """The share of padding in the padded rows."""
        return 1 - self.real / self.tokens.numel()


Scoring = Callable[[ListwiseModel, Batch], Tensor]
"""Gives the identifiers' logits of a batch, `(rows, passages)`."""


def packed_scores(model: ListwiseModel, batch: Batch) -> Tensor:
    """As this project computes them."""
    scores: Tensor = model(batch.pack)[0]
    return scores


def padded_scores(model: ListwiseModel, batch: Batch) -> Tensor:
    """As a loop over transformers' models does."""
    output: Any = model.base(input_ids=batch.tokens, attention_mask=batch.seen, use_cache=False)
    last = batch.seen.sum(1) - 1
    read: Tensor = output.logits[torch.arange(len(last), device=last.device), last]
    return read[:, batch.pack.identifiers].gather(1, batch.pack.columns)


class Stepper:
    """Takes a step each time it is called, over one batch after the other, and keeps its losses."""

    def __init__(
        self, recipe: Recipe, model: ListwiseModel, batches: Sequence[Batch], scoring: Scoring
    ) -> None:
        self.losses: list[float] = []
        self._model, self._scoring = model.train(), scoring
        self._objective = recipe.parsed_objective()
        self._batches = cycle(batches)
        dtype = precision(recipe)
        self._autocast = torch.autocast(
            batches[0].tokens.device.type, dtype, enabled=dtype is not torch.float32
        )
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate)

    def __call__(self) -> None:
        """Forward, backward and the optimizer's step over the next batch."""
        batch = next(self._batches)
        with self._autocast:
            scores = self._scoring(self._model, batch).float()
        pack = batch.pack
        loss = self._objective(PassageScores(scores, pack.labels, pack.mask))
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.losses.append(float(loss.detach()))


@dataclass(frozen=True, slots=True)
class Steppers:
    """Both ways over the same batches on one device."""

    batches: Sequence[Batch]
    packed: Stepper
    padded: Stepper
    device: torch.device

    @property
    def loss_difference(self) -> float:
        """The largest difference between the losses of the same step."""
        pairs = zip(self.packed.losses, self.padded.losses, strict=True)
        return max(abs(a - b) for a, b in pairs)


def steppers(recipe: Recipe) -> Steppers:
    """Both ways to take the steps of a recipe whose rows have one query each.

    Raises:
        RerankerError: for data, a model or a device that cannot be had.
    """
    device = choose_device(recipe.device)
    (own, tokenizer), (plain, _) = build(recipe), build(recipe)
    plain.base.set_attn_implementation("sdpa")
    batches = _batches(recipe, own, tokenizer, device)
    return Steppers(
        batches,
        Stepper(recipe, own.to(device), batches, packed_scores),
        Stepper(recipe, plain.to(device), batches, padded_scores),
        device,
    )


def _batches(recipe: Recipe, model: ListwiseModel, tokenizer: Any, device: Any) -> list[Batch]:
    sources = [open_source(item, recipe) for item in recipe.data]
    examples = examples_of(recipe, sources, Encoder(tokenizer), context_tokens(model.base))
    filler = tokenizer.pad_token_id or 0
    return [
        Batch.of([examples[start + row] for row in range(recipe.batch)], filler, device)
        for start in range(0, len(examples), recipe.batch)
    ]
