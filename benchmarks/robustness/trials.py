"""Trials: a query's candidates, changed in one way, and reranked as any others are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.orders import FIRST_STAGE
from benchmarks.report import RERANKING_PACKAGES, versions
from benchmarks.reranking import MeasuredReranker, Task, rerank
from benchmarks.work import FOLDER, Outcome, WorkFile, task_key
from reranker.collection import Collection
from reranker.errors import DataError
from reranker.passage import Passage
from reranker.run import Run


@dataclass(frozen=True, slots=True)
class Trial:
    """What was done to a query's candidates, in a word, and to which passage, if to one."""

    change: str
    query_id: str
    passages: tuple[Passage, ...]
    target: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """A collection, each query's candidates in first-stage order, and where outcomes are kept."""

    collection: Collection
    candidates: Mapping[str, tuple[Passage, ...]]
    batch: int = 8
    work: Path = field(default=FOLDER)

    @classmethod
    def of(
        cls, collection: Collection, run: Run, *, batch: int = 8, work: Path = FOLDER
    ) -> "Bench":
        """The queries of a collection that a first stage found anything for.

        Raises:
            DataError: where it found nothing for any.
        """
        found = {query: run.ids(query) for query in collection.queries}
        passages = {
            query: tuple(collection.passages[id_] for id_ in ids)
            for query, ids in found.items()
            if ids
        }
        if not passages:
            raise DataError(f"{run.name} has no candidate for any query of {collection.name}")
        return cls(collection, passages, batch, work)

    def grades(self, query_id: str) -> Mapping[str, int]:
        """The judgments of a query, by passage."""
        return self.collection.qrels.get(query_id, {})

    def tried(
        self, reranker: MeasuredReranker, trials: Sequence[Trial], *, batch: int | None = None
    ) -> list[Outcome]:
        """The outcome of each trial; what a work file holds is not ranked again."""
        todo = [self._task(trial) for trial in trials]
        work = self._work(reranker)
        found = rerank(reranker, todo, work, batch=batch or self.batch, order="robustness")
        return [found[task.query_id] for task in todo]

    def unchanged(self, reranker: MeasuredReranker) -> dict[str, Outcome]:
        """Each query's outcome where nothing is done to its candidates."""
        trials = [Trial(FIRST_STAGE, *candidates) for candidates in self.candidates.items()]
        outcomes = self.tried(reranker, trials)
        return dict(zip(self.candidates, outcomes, strict=True))

    def _task(self, trial: Trial) -> Task:
        query = self.collection.queries[trial.query_id]
        key = task_key(trial.change, trial.query_id, query, trial.passages)
        name = " ".join([trial.query_id, trial.change, trial.target])
        return Task(key, name, query, trial.passages)

    def _work(self, reranker: MeasuredReranker) -> WorkFile:
        known = {
            "collection": self.collection.name,
            "versions": versions(RERANKING_PACKAGES),
            "batch": self.batch,
        }
        name = f"robustness-{self.collection.name}-{reranker.label}"
        return WorkFile(name, {**reranker.settings, **known}, self.work)
