"""Order sensitivity: how far a ranking depends on the order in which its candidates came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random
from statistics import fmean, stdev

import numpy as np

from benchmarks.metrics import PerQuery
from reranker.run import Run

FIRST_STAGE, REVERSED = "first-stage", "reversed"
SHUFFLED = ("shuffled-1", "shuffled-2", "shuffled-3")
ORDERS = (FIRST_STAGE, REVERSED, *SHUFFLED)


@dataclass(frozen=True, slots=True)
class OrderSensitivity:
    """nDCG@10 under several orders of the same candidates, and how the rankings agree.

    `mean`, `deviation` (sample standard deviation) and `spread` (largest less smallest) are of
    the means of the orders; `query_spread` is the mean over queries of a query's own spread;
    `tau` is the mean of Kendall's tau over queries and pairs of orders.
    """

    means: dict[str, float]
    mean: float
    deviation: float
    spread: float
    query_spread: float
    tau: float


def arranged(candidates: Sequence[str], order: str, query: str) -> list[str]:
    """The candidates of a query in one of `ORDERS`; a shuffle depends on its name and the query."""
    if order == FIRST_STAGE:
        return list(candidates)
    if order == REVERSED:
        return list(reversed(candidates))
    return Random(f"{order} {query}").sample(list(candidates), len(candidates))


def kendall_tau(first: Sequence[str], second: Sequence[str]) -> float:
    """Kendall's tau between two orders of the same ids, in [-1, 1]; 1 for fewer than two ids."""
    if len(first) < 2:
        return 1.0
    place = {id_: index for index, id_ in enumerate(second)}
    places = np.array([place[id_] for id_ in first])
    above = np.triu_indices(len(places), k=1)
    return float(np.sign(places[above[1]] - places[above[0]]).mean())


def sensitivity(runs: Mapping[str, Run], ndcg: Mapping[str, PerQuery]) -> OrderSensitivity:
    """What the runs of one reranker under each order say; `ndcg` is order → query → nDCG@10."""
    means = {order: fmean(values.values()) for order, values in ndcg.items()}
    by_query = zip(*(values.values() for values in ndcg.values()), strict=True)
    return OrderSensitivity(
        means=means,
        mean=fmean(means.values()),
        deviation=stdev(means.values()) if len(means) > 1 else 0.0,
        spread=max(means.values()) - min(means.values()),
        query_spread=fmean(max(values) - min(values) for values in by_query),
        tau=_mean_tau(list(runs.values())),
    )


def _mean_tau(runs: Sequence[Run]) -> float:
    queries = [query for query, ranking in runs[0].rankings.items() if len(ranking) > 1]
    taus = [
        kendall_tau(first.ids(query), second.ids(query))
        for first, second in combinations(runs, 2)
        for query in queries
    ]
    return fmean(taus) if taus else 1.0
