"""Packs: examples one after the other in a single sequence, without padding, as tensors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from training.examples import Example


@dataclass(frozen=True, slots=True)
class Answers:
    """What a language-modelling loss reads of a pack; all `(rows, tokens)`, padded.

    `read` are the places in the pack whose next token the targets are.
    """

    read: Tensor
    targets: Tensor
    ranks: Tensor
    mask: Tensor

    def to(self, device: Any, **options: Any) -> "Answers":
        """The same on another device."""
        return Answers(*_moved(self, device, options))


@dataclass(frozen=True, slots=True)
class Pack:
    """Rows for one forward pass.

    Args:
        tokens: `(tokens,)`, all rows' ids; `positions` `(tokens,)` begin at 0 with every row.
        lengths: tokens of each row.
        read: `(rows,)`, the place of each prompt's last token.
        identifiers: `(identifiers,)`, every identifier's token id, once.
        columns: `(rows, passages)`, where in `identifiers` each passage's stands; padded with 0.
        labels: `(rows, passages)`; `mask` `(rows, passages)` is true for real passages.
        answers: for language-modelling losses.
    """

    tokens: Tensor
    positions: Tensor
    lengths: tuple[int, ...]
    read: Tensor
    identifiers: Tensor
    columns: Tensor
    labels: Tensor
    mask: Tensor
    answers: Answers | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def to(self, device: Any, **options: Any) -> "Pack":
        """The same on another device."""
        return Pack(*_moved(self, device, options))


def packed(examples: Sequence[Example]) -> Pack:
    """One pack of all these examples."""
    rows = [_row(example) for example in examples]
    lengths = torch.tensor([len(row) for row in rows])
    starts = lengths.cumsum(0) - lengths
    prompts = torch.tensor([len(example.token_ids) for example in examples])
    table = list(dict.fromkeys(id_ for example in examples for id_ in example.identifier_ids))
    places = {id_: place for place, id_ in enumerate(table)}
    read = starts + prompts - 1
    return Pack(
        tokens=torch.tensor([token for row in rows for token in row]),
        positions=torch.cat([torch.arange(len(row)) for row in rows]),
        lengths=tuple(map(len, rows)),
        read=read,
        identifiers=torch.tensor(table),
        columns=_padded([[places[id_] for id_ in e.identifier_ids] for e in examples]),
        labels=_padded([e.labels for e in examples]).float(),
        mask=_padded([[True] * len(e.labels) for e in examples]),
        answers=_answers(examples, read),
    )


def split(examples: Iterable[Example], tokens: int) -> Iterator[list[Example]]:
    """Neighbouring examples, as many as `tokens` hold; a longer one stands alone."""
    part: list[Example] = []
    total = 0
    for example in examples:
        if part and total + len(example) > tokens:
            yield part
            part, total = [], 0
        part.append(example)
        total += len(example)
    if part:
        yield part


def _row(example: Example) -> tuple[int, ...]:
    # Nothing is read after the answer's last token.
    return (*example.token_ids, *(example.target.token_ids[:-1] if example.target else ()))


def _answers(examples: Sequence[Example], read: Tensor) -> Answers | None:
    targets = [example.target for example in examples if example.target is not None]
    if not targets:
        return None
    mask: Tensor = _padded([[True] * len(target.token_ids) for target in targets])
    places = read[:, None] + torch.arange(mask.shape[1])
    return Answers(
        read=torch.where(mask, places, read[:, None]),
        targets=_padded([target.token_ids for target in targets]),
        ranks=_padded([target.ranks for target in targets]),
        mask=mask,
    )


def _padded(rows: Sequence[Sequence[float]]) -> Tensor:
    """Rows filled up with 0, or false, to the longest."""
    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)


def _moved(value: Any, device: Any, options: dict[str, Any]) -> list[Any]:
    items = [getattr(value, field.name) for field in fields(value)]
    return [item.to(device, **options) if hasattr(item, "to") else item for item in items]
