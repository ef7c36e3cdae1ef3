"""The shelf: a plan in Ray's object store, of which every shard becomes a block by itself."""

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa
import ray
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from reranker.cli.items import Item
from reranker.passage import Passage
from serve.bulk.plan import Plan

# As many are held twice while they are packed.
_CHUNK = 1 << 14


@dataclass(frozen=True, slots=True)
class Shelf:
    """Queries and passages as bytes in shared memory, where a reader copies what it takes alone.

    Args:
        contents: refers to the queries, each with its candidates' places, and the passages.
    """

    contents: Any

    @classmethod
    def of(cls, plan: Plan) -> "Shelf":
        """Put a plan into the object store of this node."""
        queries = zip(plan.queries, plan.candidates, strict=True)
        passages = ((passage.text, passage.id, passage.title) for passage in plan.passages)
        return cls(ray.put((_packed(queries), _packed(passages))))

    def items(self, places: Iterable[int]) -> list[Item]:
        """The queries at some places of the plan, with their passages."""
        queries, passages = ray.get(self.contents)
        found = []
        for place in places:
            (id_, query), candidates = _unpacked(queries, place)
            texts = [Passage(*_unpacked(passages, candidate)) for candidate in candidates]
            found.append(Item(id_, query, texts, f"query {id_!r}"))
        return found


class Shards(Datasource):
    """Shards of a plan as blocks of one row: `shard`, its number, and `items`, pickled.

    A row is never split, however long its texts, so that a shard is ranked by one task.
    """

    def __init__(self, plan: Plan, numbers: Sequence[int]) -> None:
        self._shelf = Shelf.of(plan)
        self._places = {number: plan.places(number) for number in numbers}

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown."""
        return None

    def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
        """One task a shard, which carries where to find its texts."""
        metadata = BlockMetadata(num_rows=1, size_bytes=None, exec_stats=None, input_files=None)
        return [
            ReadTask(partial(_block, self._shelf, number, places), metadata)
            for number, places in self._places.items()
        ]


def _block(shelf: Shelf, number: int, places: Iterable[int]) -> list[pa.Table]:
    items = pa.array([pickle.dumps(shelf.items(places))], pa.large_binary())
    return [pa.table({"shard": [number], "items": items})]


def _packed(values: Iterable[object]) -> pa.ChunkedArray:
    # Pickled, since a text may hold lone surrogates, which Arrow's strings refuse.
    pickled = map(pickle.dumps, values)
    chunks = iter(lambda: list(islice(pickled, _CHUNK)), [])
    return pa.chunked_array([pa.array(c, pa.large_binary()) for c in chunks], pa.large_binary())


def _unpacked(values: pa.ChunkedArray, place: int) -> Any:
    return pickle.loads(values[place].as_py())
