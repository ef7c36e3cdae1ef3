"""The mix of a load: real queries over real passages, few candidates and many.

Queries and BM25's candidates are the embedded collection's. Short requests are what a search box
sends, long ones what a research tool does.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from benchmarks.workload import CandidateList
from reranker.errors import DataError

SHORT, LONG = "short", "long"
SIZES = {SHORT: (5, 10), LONG: (40, 100)}
_QUERIES = 60
SEED = 7


@dataclass(frozen=True)
class Ask:
    """One request: `kind` is short or long, `tokens` what reading it takes, where that is known."""

    kind: str
    query: str
    texts: tuple[str, ...]
    tokens: int = 0

    @property
    def candidates(self) -> int:
        """How many passages are to be ranked."""
        return len(self.texts)

    @cached_property
    def body(self) -> bytes:
        """The request in Cohere's words, which all servers here read."""
        return json.dumps({"query": self.query, "documents": self.texts}).encode()


@dataclass(frozen=True, slots=True)
class Mix:
    """Requests of all sizes, the same for the same seed.

    Args:
        lists: queries with their candidates, the most that a long request may hold.
        long_share: the share of long requests, 0 to 1.
    """

    lists: Sequence[CandidateList]
    long_share: float = 0.15

    def draw(self, requests: int, seed: int = SEED) -> list[Ask]:
        """So many requests, of which exactly the share is long, in any order."""
        random = Random(seed)
        long = round(requests * self.long_share)
        kinds = [LONG] * long + [SHORT] * (requests - long)
        random.shuffle(kinds)
        return [self._ask(random, kind) for kind in kinds]

    def only(self, kind: str, requests: int, seed: int = SEED) -> list[Ask]:
        """So many requests of one kind."""
        random = Random(seed)
        return [self._ask(random, kind) for _ in range(requests)]

    def _ask(self, random: Random, kind: str) -> Ask:
        found = random.choice(self.lists)
        fewest, most = SIZES[kind]
        size = random.randint(fewest, min(most, len(found.passages)))
        return Ask(kind, found.query, tuple(p.text for p in found.passages[:size]))


def embedded_mix(long_share: float, *, queries: int = _QUERIES) -> Mix:
    """The mix over the embedded collection.

    Raises:
        DataError: where too few passages answer its queries.
    """
    from data.collections import EMBEDDED, load
    from data.first_stage import retrieve

    collection = load(EMBEDDED)
    run = retrieve(collection, depth=SIZES[LONG][1])
    lists = [
        CandidateList(
            collection.queries[id_], tuple(collection.passages[p] for p, _ in run.rankings[id_])
        )
        for id_ in collection.queries
    ]
    return Mix(_long_enough(lists, queries), long_share)


def _long_enough(lists: Sequence[CandidateList], queries: int) -> list[CandidateList]:
    least = SIZES[LONG][0]
    found = [each for each in lists if len(each.passages) >= least]
    if not found:
        raise DataError(
            f"no query of the embedded collection has {least} candidates here; use a Python with "
            "its sources"
        )
    return list(_spread(found, queries))


def _spread(lists: Sequence[CandidateList], count: int) -> Iterator[CandidateList]:
    """So many, evenly over all."""
    count = min(count, len(lists))
    return (lists[place * len(lists) // count] for place in range(count))
