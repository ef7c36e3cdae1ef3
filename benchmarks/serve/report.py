"""What a benchmark of servers found: as plain values, as Markdown and as a plot."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.figure import COLOURS, new_figure, save
from benchmarks.race import Limit, verdict
from benchmarks.report import machine, versions
from benchmarks.serve.check import checks
from benchmarks.serve.figures import (
    Overhead,
    Overload,
    Trial,
    ends_of,
    of_server,
    pooled,
    quantiles,
    ratios,
)
from benchmarks.serve.load import End
from benchmarks.serve.load_mix import LONG, SHORT
from benchmarks.serve.process import PLAIN, QUEUE, RAY
from benchmarks.speed.report import processor
from benchmarks.tables import table

OURS = (QUEUE, RAY)
OVERHEAD = Limit(20, at_most=True)
GAIN = Limit(1.3)
KEPT = Limit(0.9)
PACKAGES = ("reranker", "torch", "transformers", "ray", "fastapi", "uvicorn")
METHOD = (
    "`plain` is FastAPI and uvicorn with one request at a time, `batch` `@serve.batch` before "
    "`rank_many` under Ray Serve, `queue` this project's service without Ray, `ray` the same under "
    "Ray Serve; each a process of its own with the same model, type, settings and threads, and "
    "the servers take turns. Requests are real queries with their BM25 candidates, short ones of "
    "5 to 10 and long ones of 40 to 100. In open loop they come at times fixed beforehand "
    "(Poisson), the same for every server, and latency counts from these times. A client leaves "
    "when its patience is at an end; only what was ranked before counts as throughput. "
    "Percentiles are of all requests that were not refused, those without an answer in time being "
    "infinite. Ratios are medians of the rounds' ratios; seconds hold for this machine alone."
)


@dataclass(frozen=True, slots=True)
class ServeReport:
    """All trials, and where, when and how they were held."""

    name: str
    command: str
    model: str
    servers: Sequence[str]
    overheads: Sequence[Overhead]
    closed: Sequence[Trial]
    opened: Sequence[Trial]
    overloads: Sequence[Overload]
    settings: Mapping[str, object]
    threads: int
    load_average: float | None
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: Mapping[str, str] = field(default_factory=lambda: versions(PACKAGES))
    machine: str = field(default_factory=machine)
    processor: str = field(default_factory=processor)

    @property
    def loads(self) -> list[float]:
        """What was offered in open loop, in the order tried."""
        return list(dict.fromkeys(each.load for each in self.opened if each.load is not None))

    def to_dict(self) -> dict[str, object]:
        """The report as plain values, fit for JSON: requests by their sizes, without texts."""
        return asdict(self, dict_factory=_without_texts)


def markdown(report: ServeReport) -> str:
    """The whole report."""
    packages = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    load = "" if report.load_average is None else f"load average before {report.load_average:.1f}; "
    parts = [
        f"# Serving: {report.name}",
        f"```\n{report.command}\n```",
        f"{report.date}; model {report.model}; {report.machine}; {report.processor}; "
        f"{report.threads} threads a server; {load}{packages}.",
        METHOD,
        *_sections(report),
        "![throughput and latency](serve.png)" if report.opened else "",
        f"Settings: {', '.join(f'{name} {value}' for name, value in report.settings.items())}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sections(report: ServeReport) -> Iterator[str]:
    if report.overheads:
        yield "## One client"
        yield table(
            ("server", "seconds, p50", "call, p50", "difference, ms", "beside the passes, ms",
             "required", ""),
            map(_overhead, report.overheads),
        )  # fmt: skip
    if report.closed:
        yield "## Many clients that never wait"
        yield table(
            ("server", "answers/s", "tokens/s", f"ratio to {PLAIN}", "range", "requests"),
            (_closed(report, name) for name in report.servers),
        )
    for load in report.loads:
        yield f"## {load:g} times what one request at a time can read"
        yield table(
            ("server", "offered/s", "in time/s", f"ratio to {PLAIN}", "required", "",
             "short p50/p95/p99, s", "long p50/p95/p99, s", "requests", "recovered in, s"),
            (_opened(report, name, load) for name in report.servers),
        )  # fmt: skip
    for overload in report.overloads:
        yield f"## Overload: {overload.trial.load:g} times capacity, {overload.trial.server}"
        yield _overload(overload)
    if report.closed and (rows := checks(report.closed, report.opened)):
        yield "## The model of docs/sizing.md against these measurements"
        yield table(("what", "predicted", "measured"), rows)


def _overhead(found: Overhead) -> list[str]:
    milliseconds = 1000 * found.beside
    ours = found.server in OURS
    return [
        found.server,
        f"{median(found.seconds):.3f}",
        f"{median(found.call_seconds):.3f}",
        f"{1000 * found.difference:.1f}",
        f"{milliseconds:.1f}",
        f"{OVERHEAD} ms" if ours else "-",
        OVERHEAD.verdict(milliseconds) if ours else "-",
    ]


def _closed(report: ServeReport, name: str) -> list[str]:
    trials = of_server(report.closed, name, None)
    found = ratios(trials, of_server(report.closed, PLAIN, None) or trials)
    return [
        name,
        f"{median(each.throughput for each in trials):.3f}",
        f"{median(each.token_throughput for each in trials):.0f}",
        f"{median(found):.2f}",
        f"[{min(found):.2f}, {max(found):.2f}]",
        str(sum(len(each.answers) for each in trials)),
    ]


def _opened(report: ServeReport, name: str, load: float) -> list[str]:
    trials = of_server(report.opened, name, load)
    plain = of_server(report.opened, PLAIN, load) or trials
    ratio = median(ratios(trials, plain))
    required = name in OURS and load > 1
    slow, plain_slow = (quantiles(pooled(each, SHORT))[1] for each in (trials, plain))
    return [
        name,
        f"{fmean(len(each.answers) / each.span for each in trials):.3f}",
        f"{median(each.throughput for each in trials):.3f}",
        f"{ratio:.2f}",
        f"{GAIN}, p95 of short no worse" if required else "-",
        verdict(GAIN.met(ratio) and slow <= plain_slow) if required else "-",
        _quantiles(pooled(trials, SHORT)),
        _quantiles(pooled(trials, LONG)),
        _ends(ends_of(trials)),
        f"{median(each.recovered or 0.0 for each in trials):.2f}",
    ]


def _overload(found: Overload) -> str:
    trial, ends = found.trial, found.trial.ends
    told = ", ".join(f"{count} of {status}" for status, count in sorted(trial.statuses.items()))
    known = sum(each.end in (End.ANSWERED, End.REFUSED) for each in trial.answers)
    honest = known == len(trial.answers)
    before, mebibytes = median(found.before), [size / 2**20 for size in found.memory]
    rows = [
        ["requests by status", told, "a result or a refusal in JSON", verdict(honest)],
        ["requests by end", _ends(ends), "-", "-"],
        ["answers/s in time over capacity", f"{found.kept:.2f}", str(KEPT),
         KEPT.verdict(found.kept)],
        ["tokens/s in time over capacity", f"{found.tokens_kept:.2f}", "-", "-"],
        ["memory before, most, after, MiB",
         f"{mebibytes[0]:.0f}, {max(mebibytes):.0f}, {mebibytes[-1]:.0f}", "bounded", "-"],
        ["a short request before, s", _listed(found.before), "-", "-"],
        ["the same, 5 s after the last came", _listed(found.after), f"as before, {before:.2f}",
         "-"],
        ["the same, 5 s after the last ended", _listed(found.later), f"as before, {before:.2f}",
         "-"],
    ]  # fmt: skip
    return table(("", "found", "required", ""), rows)


def plot(report: ServeReport, path: Path) -> None:
    """Draw throughput in time and short requests' p95, a group of bars a load.

    Raises:
        MissingExtraError: where matplotlib is not installed.
    """
    figure, (left, right) = new_figure(9.0, 3.6, columns=2)
    for place, name in enumerate(report.servers):
        trials = [of_server(report.opened, name, load) for load in report.loads]
        throughput = [median(each.throughput for each in found) for found in trials]
        slow = [quantiles(pooled(found, SHORT))[1] for found in trials]
        for axes, heights in ((left, throughput), (right, slow)):
            _bars(axes, heights, place, len(report.servers), name)
    for axes, title in ((left, "answers in time a second"), (right, "short requests' p95, s")):
        axes.set_xticks(range(len(report.loads)), [f"{load:g} x capacity" for load in report.loads])
        axes.set_title(title, fontsize=10)
    left.legend(frameon=False, fontsize=8)
    save(figure, path)


def _bars(axes: Any, heights: Sequence[float], place: int, servers: int, name: str) -> None:
    """A server's bars; what is infinite has none, and says so."""
    width = 0.8 / servers
    for group, height in enumerate(heights):
        x = group + (place - (servers - 1) / 2) * width
        finite = math.isfinite(height)
        axes.bar(x, height if finite else 0, width * 0.92, color=COLOURS[place],
                 label=name if group == 0 else None)  # fmt: skip
        if not finite:
            axes.annotate("none", (x, 0), ha="center", va="bottom", fontsize=7, rotation=90)


def _ends(ends: Mapping[End, int]) -> str:
    return ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))


def _quantiles(seconds: Sequence[float]) -> str:
    return " / ".join("-" if math.isnan(each) else f"{each:.2f}" for each in quantiles(seconds))


def _listed(seconds: Sequence[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in seconds)


def _without_texts(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in ("query", "texts")}
