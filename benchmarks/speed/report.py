"""What a speed benchmark found: as plain values, as Markdown and as a plot."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figure import new_figure, save
from benchmarks.race import Result
from benchmarks.report import machine, versions
from benchmarks.tables import table
from benchmarks.workload import Workload

HEADER = ("race", "device", "ratio", "quartiles", "range", "required", "", "seconds")
METHOD = (
    "A ratio is the time of what is named first over the time of what is named second. The two "
    "take turns, each turn is divided by the one beside it, and the median of these ratios is "
    "given, with their quartiles and range. Seconds are medians and hold for this machine alone. "
    "Windows are of passages drawn at random from the embedded collection, and sizes that vary "
    "are drawn evenly. A padded batch is one pass; the engine keeps to its tokens a pass."
)
QUICK_NOTE = "A quick run over small windows: it shows that all runs; nothing is required of it."
MET, MISSED, FREE = "#4c9f70", "#b0413e", "#9aa0a6"
PACKAGES = ("reranker", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """The results of all races, and where, when and how they were run."""

    command: str
    model: str
    rounds: int
    workload: Workload
    quick: bool
    results: Sequence[Result]
    threads: int
    load_average: float | None
    settings: Mapping[str, object]
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: Mapping[str, str] = field(default_factory=lambda: versions(PACKAGES))
    machine: str = field(default_factory=machine)
    processor: str = field(default_factory=lambda: processor())

    def to_dict(self) -> dict[str, object]:
        """The report as plain values, fit for JSON, with the ratios worked out."""
        worked_out = [
            asdict(result)
            | {
                "ratio": result.times.ratio,
                "ratios": result.times.ratios,
                "quartiles": result.times.quartiles,
                "verdict": result.verdict,
            }
            for result in self.results
        ]
        return asdict(self) | {"results": worked_out}


def processor() -> str:
    """The processor's model name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def load_average() -> float | None:
    """Processes that ran or waited over the last minute, the mean; None where it is not told."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def line(result: Result) -> list[str]:
    """A result as the cells of a row under `HEADER`."""
    times = result.times
    low, high = times.quartiles
    first, second = times.medians
    return [
        result.name,
        result.device,
        f"{times.ratio:.3f}",
        f"[{low:.3f}, {high:.3f}]",
        f"[{min(times.ratios):.3f}, {max(times.ratios):.3f}]",
        str(result.limit or "-"),
        result.verdict,
        f"{first:.3g} / {second:.3g}",
    ]


def markdown(report: SpeedReport) -> str:
    """The whole report."""
    packages = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    parts = [
        "# Speed",
        f"```\n{report.command}\n```",
        f"{report.date}; model {report.model}; {report.machine}; {report.processor}; "
        f"{report.threads} threads; {_load(report)}{packages}.",
        METHOD,
        *([QUICK_NOTE] if report.quick else []),
        table(HEADER, map(line, report.results)),
        "![ratios](speed.png)",
        "\n".join(map(_facts, report.results)),
        f"Settings: {_listed(report.settings)}.",
    ]
    return "\n\n".join(parts) + "\n"


def plot(report: SpeedReport, path: Path) -> None:
    """Draw every ratio as a bar with its range, and what is required as a line across it.

    Raises:
        MissingExtraError: where matplotlib is not installed.
    """
    figure, axes = _figure(len(report.results))
    for place, result in enumerate(report.results):
        _bar(axes, place, result)
    names = [f"{result.name} ({result.device})" for result in report.results]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("ratio of times (bar: median, whisker: range, black mark: required)")
    save(figure, path)


def _load(report: SpeedReport) -> str:
    if report.load_average is None:
        return ""
    return f"load average before {report.load_average:.1f}; "


def _facts(result: Result) -> str:
    sides = f"{result.first} / {result.second}"
    facts = {"rounds": len(result.times.ratios), **result.facts}
    return f"- {result.name} ({result.device}): {sides}; {_listed(facts)}"


def _listed(facts: Mapping[str, object]) -> str:
    shown = {n: f"{v:.2g}" if isinstance(v, float) else v for n, v in facts.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _bar(axes: Any, place: int, result: Result) -> None:
    """A bar from 1 to the ratio, on a logarithmic axis."""
    ratio, ratios = result.times.ratio, result.times.ratios
    colour = {"met": MET, "missed": MISSED}.get(result.verdict, FREE)
    whisker = [[ratio - min(ratios)], [max(ratios) - ratio]]
    axes.barh(place, ratio - 1, 0.6, left=1, color=colour)
    axes.errorbar(ratio, place, xerr=whisker, color="black", linewidth=0.9, capsize=3)
    if result.limit is not None:
        axes.plot([result.limit.value] * 2, [place - 0.42, place + 0.42], color="black",
                  linewidth=2.5)  # fmt: skip
    right = max(1, *ratios, result.limit.value if result.limit else 1)
    axes.annotate(f"{ratio:.2f}", (right, place), (6, 0), textcoords="offset points",
                  va="center")  # fmt: skip


def _figure(bars: int) -> tuple[Any, Any]:
    """Axes for so many bars, with a logarithmic scale of ratios."""
    figure, [axes] = new_figure(8.0, 1.2 + 0.45 * bars)
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    axes.set_xscale("log", base=2)
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    return figure, axes
