"""The study's tables, drawn from its runs into docs/study.md by cog (`make docs`)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from benchmarks.ablation import report
from benchmarks.feedback.report import Change, measured
from benchmarks.metrics import NDCG
from benchmarks.quality import RESULTS
from benchmarks.statistics import Interval, bootstrap, holm, randomisation_test
from benchmarks.study.default import of_the_default
from benchmarks.tables import number, p_value, table
from reranker.errors import DataError

Result = Mapping[str, Any]


def read(name: str) -> Result:
    """The results of a part of the study.

    Raises:
        DataError: where the part was not run.
    """
    path = RESULTS / name / "results.json"
    if not path.is_file():
        raise DataError(f"{path} is not there; run: make study")
    found: Result = json.loads(path.read_text("utf-8"))
    return found


def source(name: str) -> str:
    """What made a part: the command, when and where, and whether by a former default."""
    result = read(name)
    former = "" if of_the_default(result) else " **Run with a former default.**"
    return (
        f"```\n{result['command']}\n```\n\n{result['date']}; {result['machine']}. Everything else "
        f"is in [{name}](../{RESULTS.as_posix()}/{name}/README.md).{former}"
    )


def settings(name: str) -> str:
    """Each reranker's quality and cost beside its label, over one collection."""
    [experiment] = read(name)["experiments"]
    first, *rerankers = experiment["rows"]
    rows = [[first["label"], _interval(first["measures"][NDCG]), *[""] * 5]]
    adjusted = {c["second"]: c["adjusted"] for c in experiment["comparisons"] if _of(first, c)}
    for row in rerankers:
        quality = [_interval(row["measures"][NDCG]), _gain(first, row)]
        tested = p_value(adjusted[row["label"]])
        rows.append([_variant(row["label"]), *quality, tested, *_spent(row["cost"])])
    return table(["", NDCG, "Δ", "p", "windows", "tokens", "seconds"], rows)


def _spent(cost: Result | None) -> list[str]:
    if cost is None:
        return ["-"] * 3
    return [number(cost["windows"]), number(cost["tokens"]), f"{cost['seconds']:.3g}"]


def gains(name: str) -> str:
    """Each experiment's first stage and its reranking, and all queries together.

    p-values of the experiments are corrected over all of them; that of all queries stands alone.
    """
    experiments = list(read(name)["experiments"])
    found = list(map(_differences, experiments))
    corrected = holm([_tested(each) for each in found])
    rows = [
        [
            experiment["collection"],
            experiment["first_stage"],
            *(f"{mean(row):.3f}" for row in experiment["rows"][:2]),
            *_gained(differences, p),
        ]
        for experiment, differences, p in zip(experiments, found, corrected, strict=True)
    ]
    every = [difference for differences in found for difference in differences]
    rows.append(["all queries", "", "", "", *_gained(every, _tested(every))])
    head = ["collection", "first stage", "alone", "reranked", "queries", "Δ", "p"]
    return table([*head, "better / worse"], rows)


def depths(names: Mapping[int, str]) -> str:
    """Each first stage alone, and reranked to every depth: `names` are the results by depth.

    p-values are corrected over the whole table.
    """
    results = {depth: list(read(name)["experiments"]) for depth, name in names.items()}
    found = {depth: list(map(_differences, each)) for depth, each in results.items()}
    tested = [_tested(each) for differences in found.values() for each in differences]
    corrected = iter(holm(tested))
    cells: dict[str, list[str]] = {}
    for depth, experiments in results.items():
        for experiment, differences in zip(experiments, found[depth], strict=True):
            before, after = experiment["rows"][:2]
            alone = _interval(before["measures"][NDCG])
            line = cells.setdefault(experiment["first_stage"], [alone])
            told = f"{mean(after):.3f} ({fmean(differences):+.3f}, p {p_value(next(corrected))})"
            line.append(told)
    head = ["first stage", "alone", *(f"top {depth} reranked" for depth in names)]
    return table(head, ([stage, *line] for stage, line in cells.items()))


def recall(name: str, measure: str) -> str:
    """What relevance feedback changed in a measure, by collection."""
    changes = [
        Change(**{**change, "difference": Interval(**change["difference"])})
        for change in read(name)["changes"]
    ]
    return measured(changes, measure)


def ablation(dev: str, *names: str) -> str:
    """Ways to train, out of one or more results, side by side on a dev set or `all dev sets`."""
    found = report.joined([report.read(RESULTS / name) for name in names])
    seeds = ", ".join(map(str, found.seeds))
    told = f"{report.queries(found, dev)} queries, seeds {seeds}."
    return f"{told}\n\n{report.section(found, dev)}"


def _gained(differences: Sequence[float], p: float) -> list[str]:
    gain = bootstrap(differences)
    better, worse = (sum(sign * each > 0 for each in differences) for sign in (1, -1))
    return [
        str(len(differences)),
        f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]",
        p_value(p),
        f"{better} / {worse}",
    ]


def _tested(differences: Sequence[float]) -> float:
    """The p-value of differences that are 0 by the null hypothesis."""
    return randomisation_test([0.0] * len(differences), differences)


def orders(name: str) -> str:
    """The order sensitivity of each reranker of each experiment."""
    head = ["collection", "", *(f"std of {NDCG}", "spread", "spread a query", "Kendall τ")]
    return table(head, (cells for e in read(name)["experiments"] for cells in _orders(e)))


def absolute(name: str) -> str:
    """How well scores compare between requests, by collection."""
    head = ["collection", "queries", "AUC", "calibration error", "merged", "one request", "p"]
    rows = (
        [
            one["collection"],
            str(one["queries"]),
            *(f"{one[key]:.3f}" for key in ("auc", "calibration_error")),
            *(_interval(one[key]) for key in ("merged", "whole")),
            p_value(one["p_value"]),
        ]
        for one in read(name)["collections"]
    )
    return table(head, rows)


def _orders(experiment: Result) -> Iterator[list[str]]:
    for row in experiment["rows"]:
        if found := row["orders"]:
            values = [found[key] for key in ("deviation", "spread", "query_spread", "tau")]
            yield [
                f"{experiment['collection']} ({experiment['queries']} queries)",
                row["label"],
                *(f"{value:.4f}" for value in values),
            ]


def _differences(experiment: Result) -> list[float]:
    first, row = experiment["rows"][:2]
    before, after = (each["per_query"][NDCG] for each in (first, row))
    return [after[query] - before[query] for query in before]


def mean(row: Result) -> float:
    """A row's nDCG@10."""
    return float(row["measures"][NDCG]["mean"])


def _of(first: Result, comparison: Result) -> bool:
    return bool(comparison["first"] == first["label"])


def _variant(label: str) -> str:
    """A variant's settings, without the model's name."""
    return label.partition(" ")[2] or label


def _gain(first: Result, row: Result) -> str:
    return f"{mean(row) - mean(first):+.3f}"


def _interval(value: Result) -> str:
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
