"""What a comparison of decodings found: as plain values, as Markdown and as plots."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.decoding.contest import FIRST_TOKEN, METHODS, PACKAGES, Windowed
from benchmarks.decoding.shapes import SHAPES, label
from benchmarks.figure import COLOURS, new_figure, save
from benchmarks.metrics import NDCG
from benchmarks.report import machine, versions
from benchmarks.speed.report import processor
from benchmarks.statistics import Interval
from benchmarks.tables import interval, number, p_value, table
from reranker.embedded import EMBEDDED_NAME
from reranker.files import write_atomically

METHOD = (
    "One model, the same prompts and sliding windows with strides of half a window, one query at a "
    "time. First token: the engine's exact logits of all identifiers after one pass a window. "
    "Greedy: the permutation `A] > [B] > …` is generated, exactly as many tokens as it takes, as "
    "RankLLM has it; unknown and repeated identifiers are dropped, those left out follow in the "
    "old order. Constrained: only identifiers that are left may come, and what stands between two "
    "is read in the pass of the identifier before it. Both keep keys and values.\n\n"
    "Brackets are 95% bootstrap intervals over queries. Δ is the difference in nDCG@10 to the "
    "first token, p Fisher's paired randomisation test of it after Holm's correction over the "
    "pairs of its window, the first stage's among them. Costs are means a query; the ratio is "
    "the mean of the queries' seconds over those of the first token, which ran beside it. Tokens "
    "are those read in prompts and those written in answers. Malformed is the share of answers "
    "that had to be mended, named that of passages that answers named. Processor seconds are the "
    "process's, over all cores: the nearest to energy that can be read on a CPU. Joules are the "
    "GPU board's by NVML, idle draw included."
)
NO_ENERGY = "No joules: they are read from an NVIDIA GPU alone, with the package pynvml."
RANDOM = "The weights are random: times are as a trained model's, and nDCG@10 says nothing."
UNTRAINED = (
    "Nobody trained this model to rank, nor to write permutations: nDCG@10 compares ways to read "
    "one model, and says nothing of a trained one's."
)

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DecodingReport:
    """What was found, and where, when and how."""

    name: str
    command: str
    settings: Mapping[str, object]
    experiments: Sequence[Windowed]
    load_average: float | None = None
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: Mapping[str, str] = field(default_factory=lambda: versions(PACKAGES))
    machine: str = field(default_factory=machine)
    processor: str = field(default_factory=processor)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, fit for JSON."""
        return asdict(self)


def write(report: DecodingReport, folder: Path) -> None:
    """Write a report as JSON, Markdown and plots."""
    result = report.to_dict()
    text = json.dumps(result, indent=1, default=str, ensure_ascii=False)
    write_atomically(folder / "results.json", text + "\n")
    write_atomically(folder / "README.md", markdown(result))
    for collection in _collections(result):
        save(figure(result, collection), folder / f"{collection}.svg")


def markdown(result: Result) -> str:
    """The whole report."""
    packages = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    settings = ", ".join(f"{n} {v}" for n, v in result["settings"].items() if v is not None)
    before = result["load_average"]
    load = "" if before is None else f"load average before {before:.1f}; "
    parts = [
        f"# Decoding: {result['name']}",
        f"```\n{result['command']}\n```",
        f"{result['date']}; {result['machine']}; {result['processor']}; {load}{packages}.",
        METHOD,
        *([] if _energy(result) else [NO_ENERGY]),
        *_warnings(str(result["settings"]["model"])),
        *(
            f"## {name}\n\n{decodings(result, name)}\n\n![seconds and {NDCG}]({name}.svg)"
            for name in _collections(result)
        ),
        f"Settings: {settings}.",
    ]
    return "\n\n".join(parts) + "\n"


def decodings(result: Result, collection: str) -> str:
    """One collection's table, under what it rests on, of results as plain values."""
    experiments = _of(result, collection)
    first = experiments[0]["experiment"]
    stage = first["rows"][0]
    facts = (
        f"{first['queries']} queries, {first['first_stage']} top {first['depth']}, whose {NDCG} is "
        f"{_quality(stage)}."
    )
    lines = (cells for one in experiments for cells in rows(one, energy=_energy(result)))
    return f"{facts}\n\n{table(header(energy=_energy(result)), lines)}"


def header(*, energy: bool) -> list[str]:
    """The table's columns."""
    spent = ["seconds", "ratio", "processor seconds", *(["joules"] if energy else [])]
    return [
        "window", "ranked by", NDCG, "Δ", "p", *spent, "tokens read", "written", "passes",
        "malformed", "named",
    ]  # fmt: skip


def rows(windowed: Result, *, energy: bool) -> Iterator[list[str]]:
    """The cells of each way over windows of one size."""
    experiment = windowed["experiment"]
    tested = {c["second"]: c for c in experiment["comparisons"] if c["first"] == FIRST_TOKEN}
    for row in experiment["rows"][1:]:
        spent, against = windowed["spending"][row["label"]], tested.get(row["label"])
        yield [
            str(windowed["window"]),
            row["label"],
            _quality(row),
            f"{against['difference']:+.4f}" if against else "",
            p_value(against["adjusted"]) if against else "",
            _interval(spent["seconds"]),
            _interval(spent["times_first"]) if against else "",
            _interval(spent["cpu_seconds"]),
            *([_interval(spent["joules"])] if energy else []),
            *(number(value) for value in (row["cost"]["tokens"], spent["written"])),
            number(spent["passes"]),
            *(_percent(spent[name]) for name in ("malformed", "named")),
        ]


def figure(result: Result, collection: str) -> Any:
    """Seconds and nDCG@10 of each way, by the size of windows, with intervals."""
    experiments = sorted(_of(result, collection), key=lambda one: one["window"])
    drawn, (seconds, quality) = new_figure(9.0, 3.8, columns=2)
    for colour, method in zip(COLOURS[1:], METHODS, strict=False):
        windows = [one["window"] for one in experiments]
        spent = [one["spending"][method]["seconds"] for one in experiments]
        found = [_measure(one, method) for one in experiments]
        for axes, values in ((seconds, spent), (quality, found)):
            means = [value["mean"] for value in values]
            reach = [[abs(v["mean"] - v[end]) for v in values] for end in ("low", "high")]
            axes.errorbar(windows, means, reach, color=colour, label=method, marker="o", capsize=3)
    stage = experiments[0]["experiment"]["rows"][0]
    quality.axhline(stage["measures"][NDCG]["mean"], color=COLOURS[0], label=stage["label"])
    for axes, name in ((seconds, "seconds a query"), (quality, NDCG)):
        axes.set_xlabel("passages a window")
        axes.set_ylabel(f"{name} (95% interval)")
        axes.set_ylim(bottom=0)
    quality.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return drawn


def _warnings(model: str) -> list[str]:
    known = {EMBEDDED_NAME: UNTRAINED, **{label(shape): RANDOM for shape in SHAPES}}
    return [known[model]] if model in known else []


def _collections(result: Result) -> list[str]:
    return list(dict.fromkeys(one["experiment"]["collection"] for one in result["experiments"]))


def _of(result: Result, collection: str) -> list[Result]:
    return [one for one in result["experiments"] if one["experiment"]["collection"] == collection]


def _measure(windowed: Result, label: str) -> Any:
    [row] = [row for row in windowed["experiment"]["rows"] if row["label"] == label]
    return row["measures"][NDCG]


def _energy(result: Result) -> bool:
    """Whether every way tells joules."""
    spent = [each for one in result["experiments"] for each in one["spending"].values()]
    return all(each["joules"] is not None for each in spent)


def _quality(row: Result) -> str:
    return interval(Interval(**row["measures"][NDCG]))


def _interval(value: Result) -> str:
    return f"{value['mean']:.3g} [{value['low']:.3g}, {value['high']:.3g}]"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
