"""A report as plots, each as PNG and SVG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figure import COLOURS, new_figure, save
from benchmarks.metrics import NDCG
from benchmarks.report import Experiment, Report, Row

HEIGHT = 4.0


def plot(report: Report, folder: Path) -> list[Path]:
    """Write the plots of a report into a folder: bars of nDCG@10, and each experiment's gains.

    Raises:
        MissingExtraError: where matplotlib is not installed.
    """
    paths = _save(bars(report.experiments), folder / "ndcg")
    for place, experiment in enumerate(report.experiments, 1):
        if len(experiment.rows) > 1:
            paths += _save(gains(experiment), folder / f"gains-{place}-{experiment.collection}")
    return paths


def bars(experiments: Sequence[Experiment]) -> Any:
    """A group of bars an experiment, one bar a run, with 95% intervals of nDCG@10."""
    labels = list(dict.fromkeys(row.label for e in experiments for row in e.rows))
    count = sum(len(e.rows) for e in experiments)
    figure, [axes] = new_figure(max(5.0, 1.5 + 0.45 * count), HEIGHT)
    for place, experiment in enumerate(experiments):
        width = 0.8 / len(experiment.rows)
        for index, row in enumerate(experiment.rows):
            left = place + (index - (len(experiment.rows) - 1) / 2) * width
            _bar(axes, left, width, row, _colour(labels.index(row.label)))
    axes.set_xticks(range(len(experiments)), [e.title.replace(", ", "\n") for e in experiments])
    axes.set_ylabel(f"{NDCG} (95% interval)")
    axes.set_ylim(bottom=0)
    handles = [_patch(_colour(index)) for index in range(len(labels))]
    axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def gains(experiment: Experiment) -> Any:
    """Each query's difference in nDCG@10 to the first stage, sorted, one line a reranker."""
    first, *rerankers = experiment.rows
    figure, [axes] = new_figure(7.0, HEIGHT)
    for index, row in enumerate(rerankers, 1):
        before, after = first.per_query[NDCG], row.per_query[NDCG]
        differences = sorted((after[query] - before[query] for query in before), reverse=True)
        axes.step(range(len(differences)), differences, where="mid", label=row.label,
                  color=_colour(index))  # fmt: skip
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"queries ({experiment.queries}), each line sorted by gain")
    axes.set_ylabel(f"gain in {NDCG}")
    axes.set_title(experiment.title)
    axes.legend(frameon=False)
    return figure


def _bar(axes: Any, left: float, width: float, row: Row, colour: str) -> None:
    value = row.measures[NDCG]
    error = [[value.mean - value.low], [value.high - value.mean]]
    axes.bar(left, value.mean, width * 0.92, color=colour, yerr=error, capsize=2,
             error_kw={"linewidth": 0.9})  # fmt: skip


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _patch(colour: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour)


def _save(figure: Any, stem: Path) -> list[Path]:
    """Write PNG and SVG."""
    paths = [stem.with_name(stem.name + suffix) for suffix in (".png", ".svg")]
    for path in paths:
        save(figure, path)
    return paths
