"""Packs: examples one after the other in a single sequence, without padding, as tensors.

Queries over the same passages share them: each follows the passages as if it were alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from reranker.levels import Levels, plain, positions, size
from reranker.packed_rows import PackedRows
from reranker.prompt import Segments
from training.examples import Branch, Example
from training.tree import Tree, TreeRows


@dataclass(frozen=True, slots=True)
class Answers:
    """What a language-modelling loss reads of a pack; all `(queries, tokens)`, padded.

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
class Queries:
    """The queries' own tokens, whose likelihood after every passage is part of the scores.

    `read` `(tokens,)` are the places in the pack whose next token the `targets` `(tokens,)` are.
    `candidates` `(tokens,)` says whose they are: query times width and the passage's place; `width`
    is the most candidates of a query, the null candidate, at the last place, included.
    """

    read: Tensor
    targets: Tensor
    candidates: Tensor
    width: int
    weight: float

    def to(self, device: Any, **options: Any) -> "Queries":
        """The same on another device."""
        return Queries(*_moved(self, device, options))


@dataclass(frozen=True, slots=True)
class Pack:
    """Examples for one forward pass; its queries are those of all examples, one after the other.

    Args:
        tokens: `(tokens,)`, all examples' ids; `positions` `(tokens,)` begin at 0 with each.
        rows: the structure of all examples: which tokens see which.
        read: `(queries,)`, the place of the last token of each query's prompt.
        identifiers: `(identifiers,)`, every identifier's token id, once.
        columns: `(queries, passages)`, where in `identifiers` each passage's stands; padded with 0.
        labels: `(queries, passages)`; `mask` `(queries, passages)` is true for real passages.
        null: where in `identifiers` the null candidate stands, if scores are read against it.
        answers: for language-modelling losses.
        queries: for scores that the query's likelihood is part of.
        adapted: `(tokens,)`, which of them an adapter acts on that does not read passages.
    """

    tokens: Tensor
    positions: Tensor
    rows: PackedRows | TreeRows
    read: Tensor
    identifiers: Tensor
    columns: Tensor
    labels: Tensor
    mask: Tensor
    null: int | None = None
    answers: Answers | None = None
    queries: Queries | None = None
    adapted: Tensor | None = None

    def __len__(self) -> int:
        return len(self.read)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each example."""
        if isinstance(self.rows, TreeRows):
            return [tree.size for tree in self.rows.trees]
        return [size(levels) for levels in self.rows.levels]

    def to(self, device: Any, **options: Any) -> "Pack":
        """The same on another device."""
        return Pack(*_moved(self, device, options))


def packed(examples: Sequence[Example]) -> Pack:
    """One pack of all these examples."""
    rows = _rows(examples)
    branches = [(example, branch) for example in examples for branch in example.branches]
    null_id = examples[0].null_id
    read_ids = [id_ for example in examples for id_ in example.identifier_ids]
    table = list(dict.fromkeys(read_ids if null_id is None else [*read_ids, null_id]))
    places = {id_: place for place, id_ in enumerate(table)}
    read = torch.tensor(list(_read(examples)))
    return Pack(
        tokens=torch.tensor([token for example in examples for token in _tokens(example)]),
        positions=torch.tensor([place for places in _positions(rows) for place in places]),
        rows=rows,
        read=read,
        identifiers=torch.tensor(table),
        columns=_padded([[places[id_] for id_ in e.identifier_ids] for e, _ in branches]),
        labels=_padded([branch.labels for _, branch in branches]).float(),
        mask=_padded([[True] * len(branch.labels) for _, branch in branches]),
        null=None if null_id is None else places[null_id],
        answers=_answers([branch for _, branch in branches], read),
        queries=_queries([branch for _, branch in branches], read, null_id is not None),
        adapted=_adapted(examples),
    )


def _adapted(examples: Sequence[Example]) -> Tensor | None:
    if examples[0].own is None:
        return None
    return torch.tensor([flag for example in examples for flag in example.adapted])


def _rows(examples: Sequence[Example]) -> PackedRows | TreeRows:
    if any(branch.tails for example in examples for branch in example.branches):
        return TreeRows([_tree(example) for example in examples])
    return PackedRows([_levels(example) for example in examples])


def _positions(rows: PackedRows | TreeRows) -> Iterator[list[int]]:
    if isinstance(rows, TreeRows):
        return (tree.positions() for tree in rows.trees)
    return map(positions, rows.levels)


def _tree(example: Example) -> Tree:
    """Prefix and passages; then every branch's tails, each behind its passage, and its closing."""
    [prefix], passages = example.shared
    lengths = [len(prefix), *map(len, passages)]
    sees: list[tuple[int, ...]] = [(), *((0,) for _ in passages)]
    first = tuple(range(len(lengths)))
    for branch in example.branches:
        tails = tuple(range(len(lengths), len(lengths) + len(branch.tails)))
        sees += [(0, place) for place in first[1:]]
        sees += [(0,)] * (len(tails) - len(passages))
        sees.append((*first, *tails))
        lengths += [*map(len, branch.tails), len(branch) - sum(map(len, branch.tails))]
    return Tree(tuple(lengths), tuple(sees))


def _levels(example: Example) -> Levels:
    shared = tuple(tuple(map(len, level)) for level in example.shared)
    queries = tuple(map(len, example.branches))
    if len(queries) == 1 and all(len(level) == 1 for level in shared):
        return plain(len(example))
    return (*shared, queries)


def _tokens(example: Example) -> Iterator[int]:
    yield from _flat(example.shared)
    for branch in example.branches:
        yield from (token for tail in branch.tails for token in tail)
        yield from branch.token_ids
        # Nothing is read after the answer's last token.
        yield from branch.target.token_ids[:-1] if branch.target else ()


def _read(examples: Sequence[Example]) -> Iterator[int]:
    """The place of the last token of each query's prompt."""
    start = 0
    for example in examples:
        start += sum(1 for _ in _flat(example.shared))
        for branch in example.branches:
            yield start + sum(map(len, branch.tails)) + len(branch.token_ids) - 1
            start += len(branch)


def _flat(segments: Segments) -> Iterator[int]:
    return (token for level in segments for segment in level for token in segment)


def _answers(branches: Sequence[Branch], read: Tensor) -> Answers | None:
    targets = [branch.target for branch in branches if branch.target is not None]
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


def _queries(branches: Sequence[Branch], read: Tensor, null: bool) -> Queries | None:
    weight = next((branch.asked.weight for branch in branches if branch.asked), None)
    if weight is None:
        return None
    width = max(len(branch.labels) for branch in branches) + null
    found = [
        (place, token, number * width + candidate)
        for number, (branch, last) in enumerate(zip(branches, read.tolist(), strict=True))
        for place, token, candidate in _asked(branch, last, width)
    ]
    places, targets, candidates = (torch.tensor(column) for column in zip(*found, strict=True))
    return Queries(places, targets, candidates, width, weight)


def _asked(branch: Branch, last: int, width: int) -> Iterator[tuple[int, int, int]]:
    """(place before it, token, candidate's place) of the query's tokens after every passage.

    Nothing for a query whose scores are its identifiers' logits alone.
    """
    if branch.asked is None:
        return
    start = last + 1 - len(branch.token_ids) - sum(map(len, branch.tails))
    for number, tail in enumerate(branch.tails):
        candidate = number if number < len(branch.labels) else width - 1
        for place in range(branch.asked.start, branch.asked.stop):
            yield start + place - 1, tail[place], candidate
        start += len(tail)


def _padded(rows: Sequence[Sequence[float]]) -> Tensor:
    """Rows filled up with 0, or false, to the longest."""
    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)


def _moved(value: Any, device: Any, options: dict[str, Any]) -> list[Any]:
    items = [getattr(value, field.name) for field in fields(value)]
    return [item.to(device, **options) if hasattr(item, "to") else item for item in items]
