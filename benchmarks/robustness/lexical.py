"""BM25 as a reranker of given candidates, to see what an attack does to a first stage."""

from collections.abc import Mapping, Sequence

from benchmarks.reranking import MeasuredReranker
from reranker.bm25 import BM25
from reranker.collection import Collection
from reranker.passage import Passage
from reranker.ranking import Ranking


class LexicalRanker:
    """Ranks candidates by BM25, with the word statistics of a whole collection.

    Candidates that the collection does not hold as they are join it for one call of `rank_many`.
    """

    def __init__(self, collection: Collection) -> None:
        self._passages = dict(collection.passages)

    def rank_many(
        self, queries: list[str], passages: list[list[Passage]], *, progress: bool = True
    ) -> Sequence[Ranking]:
        """One ranking a query; candidates that share no word with it score 0 and keep order."""
        asked = {str(place): query for place, query in enumerate(queries)}
        groups = [self._keyed(group, place) for place, group in enumerate(passages)]
        every = dict(self._passages)
        for group in groups:
            every |= group
        found = BM25(every).search(asked, depth=len(every))
        return [
            _ranking(query, group, dict(found.rankings[place]))
            for (place, query), group in zip(asked.items(), groups, strict=True)
        ]

    def _keyed(self, passages: Sequence[Passage], place: int) -> dict[str, Passage]:
        """Passages by id; one that the collection holds otherwise by a key of its own."""
        return {
            str(p.id) if self._passages.get(str(p.id)) == p else f"{p.id}\0{place}": p
            for p in passages
        }


def _ranking(query: str, group: Mapping[str, Passage], found: Mapping[str, float]) -> Ranking:
    scored = [(place, found.get(key, 0.0)) for place, key in enumerate(group)]
    return Ranking.of_scores(query, list(group.values()), sorted(scored, key=lambda s: -s[1]))


def lexical(collection: Collection) -> MeasuredReranker:
    """BM25 with its usual values."""
    return MeasuredReranker("BM25", {"ranker": "BM25"}, LexicalRanker(collection))
