"""The contest of decodings: one model, windows of several sizes, three ways to rank by them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.decoding.generation import GeneratingReranker, Tally, Writer, twin
from benchmarks.decoding.ledger import Decoded, Ledger
from benchmarks.decoding.meter import Meter
from benchmarks.decoding.spending import Spending
from benchmarks.experiment import Plan, concluded, sampled
from benchmarks.metrics import RELEVANT_FROM
from benchmarks.models import weights
from benchmarks.orders import FIRST_STAGE
from benchmarks.report import Experiment, cost, machine, row, versions
from benchmarks.reranking import Task, as_run, tasks
from benchmarks.work import Outcome, digest
from data.collections import load
from data.first_stage import retrieve
from reranker.checkpoint import Checkpoint
from reranker.collection import Collection
from reranker.passage import Passage
from reranker.ranking import Ranking
from reranker.reranker import Reranker
from reranker.run import Run
from reranker.settings import Settings

FIRST_TOKEN, GREEDY, CONSTRAINED = METHODS = ("first token", "greedy", "constrained")
PACKAGES = ("reranker", "torch", "transformers")
# All ways rank by the model alone: a permutation has no logits to weigh these against.
ALIKE = {"strategy": "sliding", "prior": 0, "likelihood": 0}
_WARM_UP = 2

Rank = Callable[[str, Sequence[Passage]], tuple[Ranking, Tally]]


@dataclass(frozen=True, slots=True)
class Entrant:
    """One way to rank, over windows of one size."""

    method: str
    window: int
    rank: Rank


@dataclass(frozen=True, slots=True)
class Contest:
    """The entrants of one model, and what tells their figures from others'."""

    entrants: Sequence[Entrant]
    settings: Mapping[str, object]
    device: torch.device

    @property
    def windows(self) -> list[int]:
        """The sizes of windows, each once."""
        return list(dict.fromkeys(entrant.window for entrant in self.entrants))


@dataclass(frozen=True, slots=True)
class Windowed:
    """One collection ranked over windows of one size: quality and, by method, what it took."""

    window: int
    experiment: Experiment
    spending: Mapping[str, Spending]


def prepare(
    checkpoint: Checkpoint, windows: Sequence[int], overrides: Mapping[str, object]
) -> Contest:
    """The three ways over windows of each size; strides are half a window.

    Raises:
        SettingsError: for a layout after which nothing can be generated, or too few identifiers.
    """
    name = checkpoint.name
    told = {
        "model": Path(name).name if Path(name).is_dir() else name,
        **weights(checkpoint),
        "threads": torch.get_num_threads(),
    }
    writer = Writer(twin(checkpoint))
    base = Reranker(checkpoint, **{**overrides, **ALIKE})  # type: ignore[arg-type]
    entrants = [
        Entrant(method, window, rank)
        for window in windows
        for method, rank in _ways(base.with_settings(window=window, stride=window // 2), writer)
    ]
    return Contest(entrants, told | _told(base.settings), base.engine.device)


def conduct(plan: Plan, name: str, first_stage: str, contest: Contest) -> list[Windowed]:
    """Rank a collection's candidates in every way; query by query the ways take turns."""
    collection = sampled(load(name, plan.split), plan.queries)
    candidates = retrieve(collection, first_stage, plan.depth)
    todo = tasks(collection, candidates, FIRST_STAGE)
    ledger = _ledger(plan, contest, collection)
    pending = [
        (task, entrant)
        for task, entrant in product(todo, contest.entrants)
        if _key(entrant, task) not in ledger
    ]
    if pending:
        _warm_up(contest, todo[0])
    meter = Meter(contest.device)
    for task, entrant in tqdm(pending, desc=collection.name, unit="ranking", disable=None):
        ledger.add(_key(entrant, task), decoded(entrant, task, meter))
    found = {
        entrant: {task.query_id: ledger[_key(entrant, task)] for task in todo}
        for entrant in contest.entrants
    }
    return [_windowed(plan, collection, candidates, window, found) for window in contest.windows]


def decoded(entrant: Entrant, task: Task, meter: Meter) -> Decoded:
    """A task ranked, and what that took."""
    (ranking, tally), effort = meter.measure(partial(entrant.rank, task.query, task.passages))
    explained = ranking.explain()
    outcome = Outcome(
        ids=tuple(passage.id for passage in ranking),
        scores=tuple(passage.score for passage in ranking),
        seconds=effort.seconds,
        windows=len(explained.windows),
        tokens=explained.tokens,
    )
    return Decoded(outcome, effort, tally)


def _told(settings: Settings) -> dict[str, object]:
    """The settings that all windows share, a template by its digest."""
    found = asdict(settings)
    template = found.pop("template")
    shared = {name: value for name, value in found.items() if name not in ("window", "stride")}
    return shared | ({"template": digest(template)} if template else {})


def _ways(reranker: Reranker, writer: Writer) -> Iterator[tuple[str, Rank]]:
    yield FIRST_TOKEN, partial(_first_token, reranker)
    for method, write in ((GREEDY, writer.greedy), (CONSTRAINED, writer.constrained)):
        yield method, GeneratingReranker(reranker, write).rank


def _first_token(
    reranker: Reranker, query: str, passages: Sequence[Passage]
) -> tuple[Ranking, Tally]:
    ranking = reranker.rank(query, passages)
    return ranking, Tally(passes=len(ranking.explain().windows))


def _ledger(plan: Plan, contest: Contest, collection: Collection) -> Ledger:
    """What is done by this model, on this machine, with these versions."""
    told = {**contest.settings, **versions(PACKAGES), "machine": machine()}
    path = plan.work / f"decoding-{collection.name}-{digest(told)}.jsonl"
    if plan.fresh:
        path.unlink(missing_ok=True)
    return Ledger(path)


def _key(entrant: Entrant, task: Task) -> str:
    return f"{entrant.method} {entrant.window} {task.key}"


def _warm_up(contest: Contest, task: Task) -> None:
    """Each way once over a few passages, so that nothing is measured that happens but once."""
    for entrant in contest.entrants[: len(METHODS)]:
        entrant.rank(task.query, task.passages[:_WARM_UP])


def _windowed(
    plan: Plan,
    collection: Collection,
    candidates: Run,
    window: int,
    found: Mapping[Entrant, Mapping[str, Decoded]],
) -> Windowed:
    level = RELEVANT_FROM.get(collection.name, 1)
    by_method = {e.method: queries for e, queries in found.items() if e.window == window}
    rows = [row(candidates, collection, level, {"depth": plan.depth})]
    for method, queries in by_method.items():
        outcomes = {query: one.outcome for query, one in queries.items()}
        run = as_run(method, collection, outcomes)
        rows.append(row(run, collection, level, {"window": window}, cost=cost(outcomes)))
    experiment = concluded(plan, collection, candidates, rows)
    first = list(by_method[FIRST_TOKEN].values())
    spending = {
        method: Spending.of(list(queries.values()), first) for method, queries in by_method.items()
    }
    return Windowed(window, experiment, spending)
