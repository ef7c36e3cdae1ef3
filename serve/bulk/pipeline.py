"""The pipeline: shards of a plan through a pool of rankers, by Ray Data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset

from reranker.errors import ModelError, RerankerError
from reranker.loading import brief
from serve.bulk.cluster import Share
from serve.bulk.plan import Plan
from serve.bulk.ranker import Ranker
from serve.bulk.shelf import Shards
from serve.bulk.watch import Watch

# Enough for any number of rankers: a block is made in milliseconds.
_READERS = 4
# One is ranked while the next is on its way.
_SHARDS_A_RANKER = 2
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Shard:
    """A finished shard: its number, its records as lines of JSON, and the model they are by."""

    number: int
    records: str
    model: Mapping[str, Any]


def finished(
    plan: Plan, numbers: Sequence[int], ranker: Mapping[str, Any], share: Share
) -> Iterator[Shard]:
    """Rank shards of a plan, and yield each as it is finished, in any order.

    Args:
        plan: whose shards they are.
        numbers: of the shards.
        ranker: arguments of each `Ranker`, but for its watch.
        share: how many rankers there are, and what each has of the cluster.

    Raises:
        ModelError: for a reranker that cannot be loaded.
        RerankerError: for a cluster that is lost.
    """
    results = _ranked(_blocks(plan, numbers), ranker, share)
    try:
        for row in results.iter_rows():
            if row["error"]:
                raise ModelError(f"a worker cannot rank: {row['error']}")
            yield Shard(row["shard"], row["records"], json.loads(row["model"]))
    except ray.exceptions.RayError as error:
        raise RerankerError(
            f"Ray has given up: {brief(error, _LONGEST)}. What is finished is kept, and the same "
            "command goes on"
        ) from error


def _blocks(plan: Plan, numbers: Sequence[int]) -> Dataset:
    """One block a shard, made where the plan lies: no other node is sent the whole of it."""
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    # A shard of long texts may take an hour, and a cluster as long to find room for a replica.
    context.execution_no_progress_timeout_s = -1
    blocks: Dataset = ray.data.read_datasource(
        Shards(plan, numbers),
        num_cpus=0,
        concurrency=_READERS,
        override_num_blocks=len(numbers),
        label_selector={"ray.io/node-id": ray.get_runtime_context().get_node_id()},
    )
    return blocks


def _ranked(blocks: Dataset, ranker: Mapping[str, Any], share: Share) -> Dataset:
    watch = ray.remote(Watch).options(num_cpus=0).remote()
    return blocks.map_batches(
        Ranker,
        fn_constructor_kwargs={**ranker, "watch": watch},
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(
            size=share.replicas, max_tasks_in_flight_per_actor=_SHARDS_A_RANKER
        ),
        num_cpus=share.cpus,
        num_gpus=share.gpus,
    )
