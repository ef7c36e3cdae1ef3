"""Rankers that are a score: what a plain scorer needs to be measured as a reranker is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reranker.passage import Passage


@dataclass(frozen=True, slots=True)
class Scores:
    """Passages' scores, `(passages,)`, higher = better; the windows and tokens read for them."""

    values: Sequence[float]
    windows: range
    tokens: int


class Scorer(Protocol):
    """Scores the candidates of one query."""

    def score(self, query: str, passages: Sequence[Passage]) -> Scores:
        """How well each passage answers the query."""
        ...


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """One passage of a ranking."""

    id: str
    score: float


class ScoredRanking(list[ScoredPassage]):
    """Passages by falling score; equal ones keep the order given."""

    def __init__(self, passages: Sequence[Passage], scores: Scores) -> None:
        found = zip(passages, scores.values, strict=True)
        scored = [ScoredPassage(str(passage.id), value) for passage, value in found]
        super().__init__(sorted(scored, key=lambda passage: -passage.score))
        self._scores = scores

    def explain(self) -> Scores:
        """What the ranking took."""
        return self._scores


class ScoringRanker:
    """Ranks by a scorer, one query after another."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def rank_many(
        self, queries: list[str], passages: list[list[Passage]], *, progress: bool = True
    ) -> list[ScoredRanking]:
        """One ranking a query; there is no progress bar, whatever `progress` asks."""
        return [
            ScoredRanking(candidates, self._scorer.score(query, candidates))
            for query, candidates in zip(queries, passages, strict=True)
        ]
