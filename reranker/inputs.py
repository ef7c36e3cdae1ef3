"""What a caller gives, checked before any of it is tokenised.

Raises:
    InputError: from every function here, saying what was found and what was expected.
"""

from collections.abc import Iterable
from numbers import Integral

from reranker.errors import InputError
from reranker.passage import Passage, as_passages


def check_pairs(
    queries: Iterable[str], passages: Iterable[Iterable[object]]
) -> list[tuple[str, list[Passage]]]:
    """Queries with their passages, every one of them read and checked."""
    if isinstance(queries, str):
        raise InputError("queries must be a list of strings, found one string; wrap it in a list")
    texts, lists = list(queries), list(passages)
    if len(texts) != len(lists):
        raise InputError(
            f"found {len(texts)} queries and {len(lists)} lists of passages; "
            "give one list of passages for each query"
        )
    return [
        (check_query(query, place), as_passages(candidates))
        for place, (query, candidates) in enumerate(zip(texts, lists, strict=True))
    ]


def check_query(query: object, place: int) -> str:
    """A query that is a string with something in it."""
    if not isinstance(query, str):
        raise InputError(f"query {place} is {type(query).__name__}; expected a string")
    if not query.strip():
        raise InputError(f"query {place} is blank; give the text to rank by")
    return query


def check_options(top_k: object, instruction: object) -> None:
    """The options of a call."""
    if top_k is not None and (
        not isinstance(top_k, Integral) or isinstance(top_k, bool) or top_k < 1
    ):
        raise InputError(f"top_k must be a whole number of at least 1, or None; found {top_k!r}")
    if instruction is not None and not isinstance(instruction, str):
        raise InputError(f"instruction is {type(instruction).__name__}; expected a string")
