"""The plan: queries and their candidates, in shards that depend on the input alone."""

import hashlib
import json
import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reranker.passage import Passage


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be reranked, in the run's order.

    Args:
        queries: ids and texts.
        candidates: for each query, the places of its candidates in `passages`, in first-stage
            order.
        passages: those that the run names, each once.
        shard: queries of a shard; the last may have fewer.
    """

    queries: Sequence[tuple[str, str]]
    candidates: Sequence["array[int]"]
    passages: Sequence[Passage]
    shard: int

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return math.ceil(len(self.queries) / self.shard)

    def places(self, number: int) -> range:
        """The places of a shard's queries."""
        return range(number * self.shard, min((number + 1) * self.shard, len(self.queries)))

    def ids(self, number: int) -> list[str]:
        """The ids of a shard's queries."""
        return [self.queries[place][0] for place in self.places(number)]

    def fingerprints(self) -> dict[str, str]:
        """Digests of the queries, of the run as far as it is read, and of the passages it names."""
        run = ([self.passages[place].id for place in places] for places in self.candidates)
        passages = sorted(self.passages, key=lambda passage: str(passage.id))
        return {
            "queries": _digest(self.queries),
            "run": _digest(run),
            "passages": _digest((p.id, p.title, p.text) for p in passages),
        }


def _digest(values: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(json.dumps(value).encode() + b"\n")
    return digest.hexdigest()
