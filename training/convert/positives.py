"""Positives and negatives in two lists, made one list of passages with relevance 1 and 0."""

from collections.abc import Sequence

from reranker.passage import Passage
from training.skips import Reason, RowError

AMBIGUOUS = "negatives that are positives too, or come twice, dropped"


def check_positives(passages: Sequence[Passage]) -> None:
    """Check that there is a positive at all.

    Raises:
        RowError: where there is none.
    """
    if not passages:
        raise RowError("the record has no positive passage", Reason.NO_POSITIVE)


def distinct(positives: Sequence[Passage], negatives: Sequence[Passage]) -> list[int]:
    """Places of the negatives whose text and id no positive and no earlier negative has."""
    texts = {passage.text for passage in positives}
    ids = {passage.id for passage in positives if passage.id is not None}
    places: list[int] = []
    for place, passage in enumerate(negatives):
        if passage.text not in texts and passage.id not in ids:
            places.append(place)
            texts.add(passage.text)
            if passage.id is not None:
                ids.add(passage.id)
    return places
