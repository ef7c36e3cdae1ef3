"""Identifiers and blocks in an order that follows from what passages hold, not how they came."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from reranker.encoder import EncodedText
from reranker.prompt import Asked


def ordered(
    blocks: Sequence[tuple[int, ...]], asked: Asked | None
) -> tuple[list[tuple[int, ...]], Asked | None]:
    """One row for every order of the candidates: their scores are the same to the last bit."""
    order = sorted(range(len(blocks)), key=lambda place: blocks[place])
    places = tuple(_inverse(order))
    return [blocks[place] for place in order], asked and replace(asked, places=places)


def by_content(passages: Sequence[EncodedText]) -> list[int]:
    """Each passage's place in `content_order`."""
    return _inverse(content_order(passages))


def content_order(passages: Sequence[EncodedText]) -> list[int]:
    """Places of passages in an order that follows from their contents and is none of merit."""
    digests = [blake2b(repr(passage.token_ids).encode()).digest() for passage in passages]
    return sorted(range(len(passages)), key=lambda place: digests[place])


def _inverse(order: Sequence[int]) -> list[int]:
    """Where in an order each place is."""
    places = [0] * len(order)
    for number, place in enumerate(order):
        places[place] = number
    return places
