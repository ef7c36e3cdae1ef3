"""One experiment: a collection, a first stage, and every reranker over its candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from benchmarks.metrics import NDCG, RELEVANT_FROM, evaluate
from benchmarks.orders import FIRST_STAGE, ORDERS, OrderSensitivity, sensitivity
from benchmarks.report import RERANKING_PACKAGES, Experiment, Row, compared, cost, row, versions
from benchmarks.reranking import MeasuredReranker, as_run, rerank, tasks
from benchmarks.work import FOLDER, WorkFile
from data.collections import load
from data.first_stage import retrieve
from reranker.collection import Collection
from reranker.errors import DataError
from reranker.run import Run, read_trec, write_trec

SAMPLE_SEED = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How experiments are carried out.

    `queries` limits each collection to a sample of that many (the same each time); `orders` asks
    for order sensitivity; `fresh` forgets what work files hold; the runs made, and no copies of
    other people's, are written to `results`.
    """

    results: Path
    depth: int = 100
    split: str | None = None
    queries: int | None = None
    batch: int = 8
    orders: bool = False
    fresh: bool = False
    relevant_from: int | None = None
    work: Path = field(default=FOLDER)


@dataclass(frozen=True, slots=True)
class RunFile:
    """Somebody's run, by label; `collection` is the one it is over, or None for any."""

    label: str
    path: Path
    collection: str | None = None


def conduct(
    plan: Plan,
    name: str,
    first_stage: str,
    run_files: Sequence[RunFile],
    rerankers: Sequence[MeasuredReranker],
) -> Experiment:
    """Retrieve, rerank and evaluate; the first row is the first stage's."""
    collection = sampled(load(name, plan.split), plan.queries)
    level = _level(plan, collection)
    candidates = retrieve(collection, first_stage, plan.depth)
    candidates = Run(_label(first_stage), candidates.rankings)
    if not Path(first_stage).is_file():
        _keep(plan, collection, candidates)
    rows = [row(candidates, collection, level, {"first stage": first_stage, "depth": plan.depth})]
    rows += [
        row(read_run(file, collection), collection, level, {"run": file.path})
        for file in run_files
        if file.collection in (None, name)
    ]
    rows += [_reranked(plan, reranker, collection, candidates, level) for reranker in rerankers]
    return concluded(plan, collection, candidates, rows)


def concluded(
    plan: Plan, collection: Collection, candidates: Run, rows: Sequence[Row]
) -> Experiment:
    """The experiment that these rows make, every two of them compared."""
    return Experiment(
        collection=collection.name,
        split=plan.split or "default",
        first_stage=candidates.name,
        depth=plan.depth,
        queries=len(collection.queries),
        relevant_from=_level(plan, collection),
        rows=rows,
        comparisons=compared(rows),
    )


def _level(plan: Plan, collection: Collection) -> int:
    """The least grade that counts as relevant."""
    return plan.relevant_from or RELEVANT_FROM.get(collection.name, 1)


def sampled(collection: Collection, queries: int | None) -> Collection:
    """The collection with the judged queries alone, or a sample of them."""
    judged = [query for query in collection.queries if query in collection.qrels]
    if not judged:
        raise DataError(f"{collection!r} has no judged query, so nothing can be measured on it")
    if queries is not None and queries < len(judged):
        chosen = set(Random(SAMPLE_SEED).sample(judged, queries))
        judged = [query for query in judged if query in chosen]
    return replace(
        collection,
        queries={query: collection.queries[query] for query in judged},
        qrels={query: collection.qrels[query] for query in judged},
    )


def read_run(file: RunFile, collection: Collection) -> Run:
    """Somebody's run of the collection's queries; passages beyond the collection are unjudged."""
    run = read_trec(file.path)
    rankings = {query: run.rankings.get(query, ()) for query in collection.queries}
    if not any(rankings.values()):
        raise DataError(
            f"{file.path} ranks none of the {len(rankings)} queries of {collection.name}; say "
            "which collection it is over: --run COLLECTION:LABEL=PATH"
        )
    return Run(file.label, rankings)


def _reranked(
    plan: Plan, reranker: MeasuredReranker, collection: Collection, candidates: Run, level: int
) -> Row:
    """One reranker's row, from the outcomes of every order asked for."""
    settings = {**reranker.settings, "batch": plan.batch}
    work = _work(plan, reranker.label, collection, settings)
    outcomes = {
        order: rerank(
            reranker, tasks(collection, candidates, order), work, batch=plan.batch, order=order
        )
        for order in (ORDERS if plan.orders else (FIRST_STAGE,))
    }
    runs = {order: as_run(reranker.label, collection, found) for order, found in outcomes.items()}
    _keep(plan, collection, runs[FIRST_STAGE], f"{candidates.name}.")
    return row(
        runs[FIRST_STAGE],
        collection,
        level,
        settings,
        cost=cost(outcomes[FIRST_STAGE]),
        orders=_sensitivity(runs, collection) if plan.orders else None,
    )


def _sensitivity(runs: Mapping[str, Run], collection: Collection) -> OrderSensitivity:
    ndcg = {order: evaluate(run, collection.qrels)[NDCG] for order, run in runs.items()}
    return sensitivity(runs, ndcg)


def _work(
    plan: Plan, label: str, collection: Collection, settings: Mapping[str, object]
) -> WorkFile:
    known = {"collection": collection.name, "versions": versions(RERANKING_PACKAGES)}
    work = WorkFile(f"{collection.name}-{label}", {**settings, **known}, plan.work)
    if plan.fresh:
        work.forget()
    return work


def _keep(plan: Plan, collection: Collection, run: Run, prefix: str = "") -> None:
    name = "-".join(f"{collection.name}.{prefix}{run.name}".split())
    write_trec(run, plan.results / "runs" / f"{name}.trec.gz")


def _label(first_stage: str) -> str:
    """The label of a first stage, or of several: a run file's is its name without its endings."""
    is_file = Path(first_stage).is_file()
    names = [Path(each).name for each in ([first_stage] if is_file else first_stage.split("+"))]
    return "+".join(name.removesuffix(".gz").removesuffix(".trec") for name in names)
