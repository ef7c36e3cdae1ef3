"""The study's plots, from its runs."""

from pathlib import Path
from typing import Any

from benchmarks.figure import COLOURS, new_figure, save
from benchmarks.metrics import NDCG
from benchmarks.quality import RESULTS
from benchmarks.study.tables import mean, read


def pareto(name: str) -> Path:
    """Quality against tokens read, one mark a variant; those that none beats in both are joined."""
    [experiment] = read(name)["experiments"]
    first, *rows = experiment["rows"]
    marks = sorted((row["cost"]["tokens"], mean(row), row["label"]) for row in rows)
    figure, [axes] = new_figure(7.0, 4.2)
    for place, (tokens, quality, label) in enumerate(marks):
        axes.scatter(tokens, quality, color=COLOURS[place % len(COLOURS)], label=label, zorder=3)
    best = front([(tokens, quality) for tokens, quality, _ in marks])
    axes.plot(*zip(*best, strict=True), color="black", linewidth=0.8, zorder=2)
    axes.axhline(mean(first), color=COLOURS[0], linestyle=":", label=first["label"])
    axes.set_xlabel("tokens a query")
    axes.set_ylabel(NDCG)
    axes.set_title(f"{experiment['collection']}, {experiment['queries']} queries")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _saved(figure, name, "pareto")


def front(marks: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (cost, quality) by rising cost, those of higher quality than all that cost less."""
    found: list[tuple[float, float]] = []
    for cost, quality in sorted(marks, key=lambda mark: (mark[0], -mark[1])):
        if not found or quality > found[-1][1]:
            found.append((cost, quality))
    return found


def gain(name: str) -> Path:
    """Each experiment's gain against the quality of its first stage."""
    experiments = read(name)["experiments"]
    figure, [axes] = new_figure(6.0, 4.2)
    several = len({experiment["collection"] for experiment in experiments}) > 1
    for experiment in experiments:
        before, after = map(mean, experiment["rows"][:2])
        axes.scatter(before, after - before, color=COLOURS[1])
        label = experiment["collection" if several else "first_stage"]
        axes.annotate(label, (before, after - before), (3, 3), textcoords="offset points", size=7)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"{NDCG} of the first stage")
    axes.set_ylabel("gain of reranking")
    return _saved(figure, name, "gain")


def draw(name: str) -> list[Path]:
    """The plots of a part of the study, where it has any."""
    kinds = {
        "study-strategies": [pareto],
        **{f"study-first-stages-{depth}": [gain] for depth in (20, 50, 100)},
        "study-domains": [gain],
    }
    return [kind(name) for kind in kinds.get(name, ())]


def _saved(figure: Any, name: str, title: str) -> Path:
    path = RESULTS / name / f"{title}.svg"
    save(figure, path)
    return path
