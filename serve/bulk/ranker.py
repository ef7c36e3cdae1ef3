"""The ranker: a worker of the cluster that holds one reranker, and ranks shard after shard."""

import json
import os
import pickle
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import ray

from reranker.cli.items import Item
from reranker.cli.options import RerankerOptions
from reranker.errors import EngineError, InputError
from reranker.loading import brief
from reranker.lockstep import Job, Lockstep, run
from reranker.ranking import Ranking
from reranker.reranker import Reranker
from serve.bulk.record import Record

Outcome = Ranking | Exception
_LONGEST = 600


class Ranker:
    """Ranks blocks of `serve.bulk.shelf.Shards`.

    Args:
        options: of the reranker.
        top_k, instruction: as for `Reranker.rank`.
        watch: the job's `Watch`.

    What keeps the reranker from being loaded is told in place of the first ranking: from here
    Ray would raise it with its own stack, and wait for another worker.
    """

    def __init__(
        self,
        options: RerankerOptions,
        *,
        top_k: int | None,
        instruction: str | None,
        watch: Any,
    ) -> None:
        self._top_k, self._instruction, self._watch = top_k, instruction, watch
        self._model = self._error = ""
        try:
            self._reranker = options.reranker()
            self._model = json.dumps(_facts(self._reranker))
        except Exception as error:
            self._error = brief(error, _LONGEST)

    def __call__(self, block: pa.Table) -> pa.Table:
        """A block of one row: `shard`, and its `records` by a `model`, or the `error`."""
        [shard], [packed] = block["shard"].to_pylist(), block["items"].to_pylist()
        records = "" if self._error else self._records(shard, packed)
        row = {"shard": shard, "records": records, "model": self._model, "error": self._error}
        return pa.table({name: [value] for name, value in row.items()})

    def _records(self, shard: int, packed: bytes) -> str:
        items: list[Item] = pickle.loads(packed)
        left_out = ray.get(self._watch.begin.remote(shard))
        if left_out is None:
            ranked = self._ranked(items)
        else:
            ranked = self._one_by_one(shard, items, left_out)
        ray.get(self._watch.end.remote(shard))
        return "".join(Record.of(item.id, ranked[item.id]).line() for item in items)

    def _ranked(self, items: Sequence[Item]) -> dict[str, Outcome]:
        found = outcomes(self._reranker, items, top_k=self._top_k, instruction=self._instruction)
        ranked = dict(found)
        if any(map(_suspicious, ranked.values())) and not self._sound():
            # A device that has broken down stays so for this process. Ray starts another in its
            # place, and gives it the same shard.
            os._exit(1)
        return ranked

    def _one_by_one(
        self, shard: int, items: Sequence[Item], left_out: AbstractSet[str]
    ) -> dict[str, Outcome]:
        ranked: dict[str, Outcome] = {}
        for item in items:
            if item.id in left_out:
                ranked[item.id] = EngineError("the worker that ranked it died")
            else:
                ray.get(self._watch.take.remote(shard, item.id))
                ranked |= self._ranked([item])
        return ranked

    def _sound(self) -> bool:
        """Whether the reranker ranks what every one can."""
        try:
            self._reranker.rank("1", ["1", "2"])
        except Exception:
            return False
        return True


def outcomes(
    reranker: Reranker, items: Iterable[Item], *, top_k: int | None, instruction: str | None
) -> Iterator[tuple[str, Outcome]]:
    """Each item's id with its ranking, or with the error by which it alone has failed."""
    taken: dict[Job, Item] = {}
    refused: list[tuple[str, Outcome]] = []

    def arrivals() -> Iterator[Job]:
        for item in items:
            try:
                job = reranker.job(reranker.encode(item.query, item.passages, instruction))
            except Exception as error:
                refused.append((item.id, error))
            else:
                taken[job] = item
                yield job

    lockstep = Lockstep(reranker.engine.score, reranker.engine.batch_tokens)
    for job in run(arrivals(), lockstep):
        item = taken.pop(job)
        if job.error is None:
            yield item.id, Ranking.of(job, item.query, item.passages, top_k=top_k)
        else:
            yield item.id, job.error
    yield from refused


def _suspicious(outcome: Outcome) -> bool:
    """Whether an error may be the machine's rather than the query's."""
    return isinstance(outcome, Exception) and not isinstance(outcome, InputError)


def _facts(reranker: Reranker) -> dict[str, object]:
    """What ranks, as it was loaded."""
    engine = reranker.engine
    return {
        "name": reranker.name,
        "dtype": str(engine.dtype).removeprefix("torch."),
        "weights": engine.model_print.hex(),
        **asdict(reranker.settings),
    }
