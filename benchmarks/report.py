"""What a quality benchmark found, with everything needed to find it again."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean

from benchmarks.metrics import MEASURES, NDCG, PerQuery, evaluate
from benchmarks.orders import OrderSensitivity
from benchmarks.statistics import Comparison, Interval, bootstrap, compare
from benchmarks.work import Outcome
from reranker.collection import Collection
from reranker.run import Run

RERANKING_PACKAGES = ("reranker", "torch", "transformers", "peft")
PACKAGES = (*RERANKING_PACKAGES, "bm25s", "ranx", "numpy")


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """The versions of Python and of the packages that a figure depends on."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """The machine in words: system, processor, cores and, where torch is loaded, the GPU."""
    words = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        words += f", {torch.cuda.get_device_name()}"
    return words


@dataclass(frozen=True, slots=True)
class Cost:
    """Means a query: windows, tokens and seconds; None where they are not told."""

    windows: float | None
    tokens: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """One run: its measures with 95% intervals, overall and query by query, and its cost."""

    label: str
    settings: Mapping[str, object]
    measures: dict[str, Interval]
    per_query: dict[str, PerQuery]
    cost: Cost | None = None
    orders: OrderSensitivity | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """One collection and first stage: the first stage's row, then the rerankers'."""

    collection: str
    split: str
    first_stage: str
    depth: int
    queries: int
    relevant_from: int
    rows: Sequence[Row]
    comparisons: Sequence[Comparison]

    @property
    def title(self) -> str:
        """The collection and the first stage."""
        return f"{self.collection}, {self.first_stage} top {self.depth}"


@dataclass(frozen=True, slots=True)
class Report:
    """Experiments, and where, when and how they were made."""

    name: str
    command: str
    experiments: Sequence[Experiment]
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: Mapping[str, str] = field(default_factory=versions)
    machine: str = field(default_factory=machine)

    def to_dict(self) -> dict[str, object]:
        """The report as plain values, fit for JSON."""
        return asdict(self)


def row(
    run: Run,
    collection: Collection,
    relevant_from: int,
    settings: Mapping[str, object],
    *,
    cost: Cost | None = None,
    orders: OrderSensitivity | None = None,
) -> Row:
    """Evaluate a run, under its own name."""
    per_query = evaluate(run, collection.qrels, relevant_from=relevant_from)
    measures = {name: bootstrap(list(per_query[name].values())) for name in MEASURES}
    return Row(run.name, dict(settings), measures, per_query, cost, orders)


def compared(rows: Sequence[Row]) -> list[Comparison]:
    """Every two rows tested on nDCG@10, corrected together."""
    return compare({row.label: list(row.per_query[NDCG].values()) for row in rows})


def cost(outcomes: Mapping[str, Outcome]) -> Cost | None:
    """The mean cost of a query; None for no outcome."""
    if not outcomes:
        return None
    found = list(outcomes.values())
    return Cost(
        _mean([outcome.windows for outcome in found]),
        _mean([outcome.tokens for outcome in found]),
        fmean(outcome.seconds for outcome in found),
    )


def _mean(counts: Sequence[int | None]) -> float | None:
    told = [count for count in counts if count is not None]
    return fmean(told) if len(told) == len(counts) else None
