"""Compiled parts filled in: with a query, an identifier and a passage they become token ids."""

from collections.abc import Mapping, Sequence

from reranker.form import Form, Part

TokenIds = tuple[int, ...]


def fixed_tokens(form: Form, query: Mapping[str, TokenIds]) -> int:
    """Tokens of everything but the passages."""
    parts = [*form.prefix, *(part for block in form.blocks for part in block), *form.closing]
    return sum(_tokens(part, query) for part in parts)


def tail_tokens(form: Form, query: Mapping[str, TokenIds]) -> int:
    """Tokens of a block after its passage."""
    return sum(_tokens(part, query) for part in form.tail)


def span(parts: Sequence[Part], query: Mapping[str, TokenIds], kind: str) -> tuple[int, int]:
    """Where among the tokens of parts the slot of that kind begins and ends."""
    start = 0
    for part in parts:
        if not isinstance(part, tuple) and part.kind == kind:
            return start, start + _tokens(part, query)
        start += _tokens(part, query)
    raise ValueError(f"no slot {kind!r} among {parts}")


def _tokens(part: Part, query: Mapping[str, TokenIds]) -> int:
    if isinstance(part, tuple):
        return len(part)
    return 1 if part.kind == "identifier" else len(query.get(part.kind, ()))


def filled(
    parts: Sequence[Part],
    query: Mapping[str, TokenIds],
    identifier: int = -1,
    passage: TokenIds = (),
) -> TokenIds:
    """Parts as token ids, each slot with its value; `query` also holds the instruction."""
    values = {**query, "identifier": (identifier,), "passage": passage}
    ids: list[int] = []
    for part in parts:
        ids.extend(part if isinstance(part, tuple) else values[part.kind])
    return tuple(ids)


def longest_fitting(lengths: Sequence[int], budget: int) -> int:
    """The most tokens a passage may keep so that all fit: cut the longest ones first."""
    rest = budget
    for place, length in enumerate(sorted(lengths)):
        share = rest // (len(lengths) - place)
        if length > share:
            return share
        rest -= length
    return max(lengths, default=0)
