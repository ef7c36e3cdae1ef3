"""Mining: rows to train on, out of a judged collection, a first stage and maybe a teacher.

A row holds a query, its relevant passages, and negatives among its candidates, the hard ones
first. The queries of the collection to which those passages are relevant come along: a layout
that reads the query last answers them all in one pass.

A judgment knows only some of the relevant passages. A teacher, where there is one,

- drops an unjudged candidate that it prefers to all relevant ones: maybe a false negative;
- drops a further query of which it would say so too often;
- grades the other unjudged passages below 1, by their odds against the best relevant one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.teacher import Scores, Teacher
from reranker.collection import Collection
from reranker.errors import InputError
from reranker.passage import Passage
from reranker.run import Run

Grades = NDArray[np.float64]
_MOST_DOUBTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Mining:
    """How rows are mined.

    Args:
        passages: passages of a row.
        positives: at most so many relevant ones of the row's own query, the best grades first.
        hard: the share of the negatives that are the first stage's best; the rest are drawn from
            all of its candidates.
        queries: the most queries of a row, its own included.
        estimate: the most that a teacher's estimate grades a passage that is not judged.
        seed: of all that is drawn.
    """

    passages: int = 20
    positives: int = 10
    hard: float = 0.5
    queries: int = 1
    estimate: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.passages < 2 or self.positives < 1 or self.queries < 1:
            raise InputError(f"mining needs passages >= 2, positives and queries >= 1: {self}")
        if not (0 <= self.hard <= 1 and 0 <= self.estimate < 1):
            raise InputError(f"mining needs 0 <= hard <= 1 and 0 <= estimate < 1: {self}")


def mine(
    collection: Collection, run: Run, mining: Mining, teacher: Teacher | None = None
) -> Iterator[dict[str, object]]:
    """One row, as `training.row` reads it, for each query with a relevant passage and a negative.

    Args:
        collection: judged queries and their passages.
        run: candidates of the queries to mine, best first; it decides which queries are mined.
        mining: sizes and shares.
        teacher: grades what is not judged.
    """
    asked = _asked(collection)
    for number, (query, ranking) in enumerate(run.rankings.items()):
        rng = np.random.default_rng((mining.seed, number))
        ids = _chosen(collection, query, [id_ for id_, _ in ranking], mining, rng)
        row = _Row(collection, ids, teacher, mining)
        own = row.own(query)
        if own is not None:
            others = _others(asked, query, row.ids, mining.queries - 1, rng)
            yield row.as_dict(query, own, row.graded(others))


class _Row:
    """The passages of one row, and how queries are graded over them."""

    def __init__(
        self, collection: Collection, ids: Sequence[str], teacher: Teacher | None, mining: Mining
    ) -> None:
        self._collection, self._teacher, self._mining = collection, teacher, mining
        self.ids = list(ids)

    def own(self, query: str) -> Grades | None:
        """The own query's grades `(passages,)`; drops what its teacher doubts. None: no use."""
        judged: Grades = self._judged([query])[0]
        if not judged.any() or judged.all():
            return None
        if self._teacher is None:
            return judged
        scores = self._scores([query])[0]
        keep = (judged > 0) | (scores <= scores[judged > 0].max())
        self.ids = [id_ for id_, kept in zip(self.ids, keep, strict=True) if kept]
        grades = _estimated(judged[keep], scores[keep], self._mining.estimate)
        return grades if bool((judged[keep] == 0).any()) else None

    def graded(self, queries: Sequence[str]) -> Iterator[tuple[str, Grades]]:
        """Queries with their grades `(passages,)`, without those that the teacher doubts."""
        if not queries:
            return
        judged = self._judged(queries)
        scores = None if self._teacher is None else self._scores(queries)
        for number, query in enumerate(queries):
            if scores is None:
                yield query, judged[number]
                continue
            best = scores[number][judged[number] > 0].max()
            if int(((scores[number] > best) & (judged[number] == 0)).sum()) <= _MOST_DOUBTS:
                grades = _estimated(judged[number], scores[number], self._mining.estimate)
                yield query, grades

    def as_dict(
        self, query: str, own: Grades, others: Iterator[tuple[str, Grades]]
    ) -> dict[str, object]:
        """The row as JSON has it."""
        texts = self._collection.queries
        asked = [{"query": texts[id_], "relevance": _plain(grades)} for id_, grades in others]
        return {
            "query": texts[query],
            "passages": [_passage(self._collection.passages[id_]) for id_ in self.ids],
            "relevance": _plain(own),
            **({"others": asked} if asked else {}),
        }

    def _judged(self, queries: Sequence[str]) -> Grades:
        qrels = self._collection.qrels
        return np.array(
            [[max(0, qrels.get(query, {}).get(id_, 0)) for id_ in self.ids] for query in queries],
            float,
        )

    def _scores(self, queries: Sequence[str]) -> Scores:
        assert self._teacher is not None, "called where there is a teacher"
        texts = [self._collection.queries[query] for query in queries]
        return self._teacher.score(texts, [self._collection.passages[id_] for id_ in self.ids])


def _chosen(
    collection: Collection,
    query: str,
    candidates: Sequence[str],
    mining: Mining,
    rng: np.random.Generator,
) -> list[str]:
    """Passages of a row: relevant ones, the best grades first, then negatives."""
    grades = collection.qrels.get(query, {})
    relevant = [id_ for id_ in grades if grades[id_] > 0 and id_ in collection.passages]
    most = min(mining.positives, mining.passages - 1)
    relevant = sorted(relevant, key=lambda id_: -grades[id_])[:most]
    negatives = [id_ for id_ in candidates if grades.get(id_, 0) <= 0]
    room = mining.passages - len(relevant)
    hard = negatives[: round(room * mining.hard)]
    rest = [negatives[place] for place in rng.permutation(len(negatives)) if place >= len(hard)]
    return [*relevant, *hard, *rest[: room - len(hard)]]


def _asked(collection: Collection) -> Mapping[str, list[str]]:
    """The queries to which each passage is relevant."""
    asked: dict[str, list[str]] = {}
    for query in collection.queries:
        for id_, grade in collection.qrels.get(query, {}).items():
            if grade > 0:
                asked.setdefault(id_, []).append(query)
    return asked


def _others(
    asked: Mapping[str, list[str]],
    query: str,
    ids: Sequence[str],
    count: int,
    rng: np.random.Generator,
) -> list[str]:
    """Further queries over these passages: one for each passage in turn, until there are enough."""
    pools = [[q for q in asked.get(id_, ()) if q != query] for id_ in rng.permutation(ids).tolist()]
    for pool in pools:
        rng.shuffle(pool)
    turns = (pool[turn] for turn in range(count) for pool in pools if turn < len(pool))
    return list(dict.fromkeys(turns))[:count]


def _estimated(judged: Grades, scores: Scores, most: float) -> Grades:
    """Judged grades, and odds against the best relevant passage where nothing is judged."""
    odds = np.exp(np.minimum(scores - scores[judged > 0].max(), 0.0))
    return np.where(judged > 0, judged, np.minimum(odds, most))


def _plain(grades: Grades) -> list[float]:
    return [round(float(grade), 3) for grade in grades]


def _passage(passage: Passage) -> dict[str, str]:
    values = {"id": passage.id, "title": passage.title, "text": passage.text}
    return {key: value for key, value in values.items() if value}
