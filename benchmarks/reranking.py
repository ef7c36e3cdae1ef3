"""Reranking the candidates of a collection, in batches, with every finished query kept."""

import time
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Protocol

from tqdm import tqdm

from benchmarks.orders import arranged
from benchmarks.work import Outcome, WorkFile, task_key
from reranker.collection import Collection
from reranker.errors import EngineError
from reranker.passage import Passage
from reranker.run import Run


class Explained(Protocol):
    """What a ranking cost."""

    @property
    def windows(self) -> Sized:
        """The windows scored."""
        ...

    @property
    def tokens(self) -> int:
        """Tokens read, over all windows."""
        ...


class RankedItem(Protocol):
    """One passage of a ranking."""

    @property
    def id(self) -> str:
        """The passage's id."""
        ...

    @property
    def score(self) -> float:
        """Its score; higher is better."""
        ...


class RankedItems(Protocol):
    """A ranking, best first."""

    def __iter__(self) -> Iterator[RankedItem]: ...

    def explain(self) -> Explained:
        """How the ranking came about."""
        ...


class Ranker(Protocol):
    """What is measured: `reranker.Reranker`, or anything that ranks many queries at once."""

    def rank_many(
        self, queries: list[str], passages: list[list[Passage]], *, progress: bool = True
    ) -> Sequence[RankedItems]:
        """One ranking a query, of all its passages."""
        ...


@dataclass(frozen=True, slots=True)
class MeasuredReranker:
    """A reranker, its label, and settings that tell it from every other, down to its weights."""

    label: str
    settings: Mapping[str, object]
    ranker: Ranker


@dataclass(frozen=True, slots=True)
class Task:
    """The candidates of one query, in the order in which they are given."""

    key: str
    query_id: str
    query: str
    passages: tuple[Passage, ...]


def tasks(collection: Collection, candidates: Run, order: str) -> list[Task]:
    """One task a query that has candidates."""
    return [
        _task(collection, query_id, arranged(candidates.ids(query_id), order, query_id), order)
        for query_id in collection.queries
        if candidates.ids(query_id)
    ]


def rerank(
    reranker: MeasuredReranker, todo: Sequence[Task], work: WorkFile, *, batch: int, order: str
) -> dict[str, Outcome]:
    """The outcome of each query; what the work file holds is not ranked again.

    Interrupted at any moment, only the batch under way is lost.
    """
    pending = [task for task in todo if work.get(task.key) is None]
    with tqdm(
        total=len(todo),
        initial=len(todo) - len(pending),
        desc=f"{reranker.label}, {order}",
        unit="query",
        disable=None,
    ) as bar:
        for start in range(0, len(pending), batch):
            group = pending[start : start + batch]
            work.add(_ranked(reranker.ranker, group))
            bar.update(len(group))
    return {task.query_id: outcome for task in todo if (outcome := work.get(task.key))}


def as_run(name: str, collection: Collection, outcomes: Mapping[str, Outcome]) -> Run:
    """The outcomes as a run; a query without any has an empty ranking."""
    found = {id_: list(zip(o.ids, o.scores, strict=True)) for id_, o in outcomes.items()}
    return Run(name, {query: found.get(query, []) for query in collection.queries})


def _task(collection: Collection, query_id: str, ids: Sequence[str], order: str) -> Task:
    passages = tuple(collection.passages[id_] for id_ in ids)
    query = collection.queries[query_id]
    return Task(task_key(order, query_id, query, passages), query_id, query, passages)


def _ranked(ranker: Ranker, group: Sequence[Task]) -> dict[str, Outcome]:
    start = time.perf_counter()
    rankings = ranker.rank_many(
        [task.query for task in group], [list(task.passages) for task in group], progress=False
    )
    seconds = (time.perf_counter() - start) / len(group)
    return {
        task.key: _outcome(task, ranking, seconds)
        for task, ranking in zip(group, rankings, strict=True)
    }


def _outcome(task: Task, ranking: RankedItems, seconds: float) -> Outcome:
    ids = tuple(item.id for item in ranking)
    if sorted(ids) != sorted(str(passage.id) for passage in task.passages):
        raise EngineError(
            f"the reranker was given {len(task.passages)} candidates of query {task.query_id!r} "
            f"and returned {len(ids)} that are not the same; a ranking must be a permutation"
        )
    explained = ranking.explain()
    scores = tuple(float(item.score) for item in ranking)
    return Outcome(ids, scores, seconds, len(explained.windows), explained.tokens)
