"""What ranks behind a framework: a reranker in this process, or a client of the service."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from inspect import iscoroutinefunction
from threading import Lock
from typing import Any, Protocol

from reranker.client import Client
from reranker.errors import SettingsError
from reranker.ranking import Ranking

# Frameworks call from threads of theirs, and a model in this process takes one call at a time.
_TURN = Lock()


class Ranker(Protocol):
    """A `Reranker`, a `Client`, or anything with their `rank`."""

    def rank(
        self,
        query: str,
        passages: Iterable[object],
        *,
        top_k: int | None = None,
        instruction: str | None = None,
    ) -> Ranking:
        """As `Reranker.rank`."""


def checked(ranker: Any) -> Ranker:
    """What can be asked to rank.

    Raises:
        SettingsError: for anything else, and for an `AsyncClient`.
    """
    rank = getattr(ranker, "rank", None)
    if isinstance(ranker, type) or not callable(rank) or iscoroutinefunction(rank):
        found = ranker.__name__ if isinstance(ranker, type) else f"a {type(ranker).__name__}"
        raise SettingsError(
            f"ranker is {found}; expected a Reranker(…), a Client(…), or another object whose "
            "method rank returns a Ranking (not a coroutine: threads call it)"
        )
    return ranker  # type: ignore[no-any-return]


def rank(
    ranker: Ranker,
    query: str,
    passages: Iterable[object],
    *,
    top_k: int | None = None,
    instruction: str | None = None,
) -> Ranking:
    """Rank in turn, from any thread."""
    with nullcontext() if isinstance(ranker, Client) else _TURN:
        return ranker.rank(query, passages, top_k=top_k, instruction=instruction)


def rank_many(
    ranker: Ranker,
    queries: Sequence[str],
    passages: Sequence[Iterable[object]],
    *,
    top_k: int | None = None,
    instruction: str | None = None,
) -> list[Ranking]:
    """Rank many queries' passages; where the ranker can, their windows share passes."""
    options = {"top_k": top_k, "instruction": instruction}
    if many := getattr(ranker, "rank_many", None):
        with _TURN:
            return many(queries, passages, **options)  # type: ignore[no-any-return]
    pairs = zip(queries, passages, strict=True)
    return [
        rank(ranker, query, candidates, top_k=top_k, instruction=instruction)
        for query, candidates in pairs
    ]
