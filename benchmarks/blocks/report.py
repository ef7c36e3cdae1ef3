"""What the benchmark of layouts and caches found: kept as JSON, told as Markdown."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from statistics import median

from benchmarks.blocks.contest import Round
from benchmarks.blocks.entrants import ENTRANTS, INT8, SLIDING, WARM, WINDOW, Cell
from benchmarks.race import Limit
from benchmarks.tables import table
from reranker.errors import DataError
from reranker.files import write_atomically

FILE = "blocks.json"
PLOT = "blocks.png"
FASTER, ONE_WINDOW, EXACT = Limit(10), Limit(4), Limit(1e-4, at_most=True)
METHOD = (
    "Milliseconds are medians over rounds of one query's ranking, its texts given: tokenising, all "
    "windows, the order. In a round every entrant ranks the same passages for the same query, one "
    "after the other; a ratio is taken within its round, and the median given. Passages are "
    "stretches of the embedded collection's text, cut at their tokens; latency does not depend on "
    "what a model was trained for. Sliding windows are of 20 passages by 10; they and the one "
    "window have the layout named against. Cold, the layout reads all passages and keeps them in "
    "float16; kept, they were read before any query, in float16 where nothing else is said. On "
    "disk they are read from the file each time, out of the system's page cache where they still "
    "are in it."
)


@dataclass(frozen=True, slots=True)
class BlocksReport:
    """All rounds so far; `configuration` is what they share."""

    name: str
    configuration: Mapping[str, object]
    rounds: tuple[Round, ...] = ()

    def has(self, cell: Cell, number: int) -> bool:
        """Whether a round is done."""
        return any((one.cell, one.number) == (cell, number) for one in self.rounds)

    def added(self, one: Round) -> "BlocksReport":
        """The report with one more round."""
        rounds = sorted((*self.rounds, one), key=lambda r: (r.cell.tokens, r.cell.passages))
        return replace(self, rounds=tuple(rounds))

    @property
    def cells(self) -> dict[Cell, list[Round]]:
        """The rounds of each cell, by tokens and passages."""
        return {cell: list(rounds) for cell, rounds in groupby(self.rounds, lambda r: r.cell)}

    def write(self, folder: Path) -> None:
        """Write the report as JSON and Markdown."""
        write_atomically(folder / FILE, json.dumps(asdict(self), indent=1) + "\n")
        write_atomically(folder / "README.md", markdown(self))


def read(name: str, configuration: Mapping[str, object], folder: Path) -> BlocksReport:
    """The report that a folder holds, to go on with; an empty one where it holds none.

    Raises:
        DataError: for one of another configuration.
    """
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return BlocksReport(name, configuration)
    known = found["configuration"]
    if differing := [key for key in configuration if known.get(key) != configuration[key]]:
        raise DataError(
            f"{folder / FILE} holds rounds of another configuration ({', '.join(differing)}); give "
            "another name, or --fresh to forget them"
        )
    rounds = (Round(**{**one, "cell": Cell(**one["cell"])}) for one in found["rounds"])
    return BlocksReport(name, configuration, tuple(rounds))


def milliseconds(rounds: Iterable[Round], entrant: str) -> float | None:
    """The median of an entrant; None where it did not run."""
    found = [1000 * one.seconds[entrant] for one in rounds if entrant in one.seconds]
    return median(found) if found else None


def ratios(rounds: Iterable[Round], first: str, second: str) -> list[float]:
    """Each round's time of one entrant over another's."""
    return [
        one.seconds[first] / one.seconds[second]
        for one in rounds
        if {first, second} <= one.seconds.keys()
    ]


def markdown(report: BlocksReport) -> str:
    """The whole report."""
    commands = dict.fromkeys(one.command for one in report.rounds)
    dates = ", ".join(sorted({one.date for one in report.rounds}))
    told = ", ".join(f"{name} {value}" for name, value in report.configuration.items())
    parts = [
        f"# Layouts and kept passages: {report.name}",
        "```\n" + "\n".join(commands) + "\n```",
        f"{dates}; {told}; {_loads(report.rounds)}",
        METHOD,
        _verdicts(report),
        f"## Milliseconds a query\n\n{_table(report, ['rounds', *ENTRANTS], _times)}",
        f"![milliseconds by passages and by length]({PLOT})",
        f"## What keeping saves\n\n{_table(report, SAVINGS, _savings)}",
        _skipped(report),
        _quality(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(
    report: BlocksReport, header: Sequence[str], cells: Callable[[list[Round]], list[str]]
) -> str:
    rows = (
        [f"{cell.passages:,}", f"{cell.tokens}", *cells(rounds)]
        for cell, rounds in report.cells.items()
    )
    return table(["passages", "tokens each", *header], rows)


def _times(rounds: list[Round]) -> list[str]:
    found = [milliseconds(rounds, name) for name in ENTRANTS]
    return [str(len(rounds)), *("-" if ms is None else f"{ms:,.0f}" for ms in found)]


SAVINGS = (
    f"{SLIDING} / {WARM}",
    f"tokens, {SLIDING}",
    f"tokens, {WARM}",
    "of them saved",
    "KiB a passage, float16",
    "int8",
    "score difference in float32",
)


def _savings(rounds: list[Round]) -> list[str]:
    first = rounds[0]
    sizes = (first.bytes_kept.get(name) for name in (WARM, INT8))
    apart = [one.difference for one in rounds if one.difference is not None]
    return [
        _spread(ratios(rounds, SLIDING, WARM)),
        *(f"{first.tokens[n]:,}" if n in first.tokens else "-" for n in (SLIDING, WARM)),
        f"{first.saved:,}",
        *(f"{size / 1024 / first.cell.passages:,.0f}" if size else "-" for size in sizes),
        f"{max(apart):.1e}" if apart else "-",
    ]


def _verdicts(report: BlocksReport) -> str:
    """What is required, as far as the cells for it have been run."""
    cells, rows = report.cells, []
    for cell, limit in ((Cell(100, 100), FASTER), (Cell(WINDOW, 100), ONE_WINDOW)):
        if found := ratios(cells.get(cell, ()), SLIDING, WARM):
            name = f"{SLIDING} / {WARM}, {cell}"
            rows.append([name, _spread(found), str(limit), limit.verdict(median(found))])
    apart = [one.difference for one in report.rounds if one.difference is not None]
    if apart and report.configuration.get("dtype") == "float32":
        largest = max(apart)
        rows.append(["score difference", f"{largest:.1e}", str(EXACT), EXACT.verdict(largest)])
    return table(["", "found", "required", ""], rows) if rows else ""


def _spread(found: Sequence[float]) -> str:
    if not found:
        return "-"
    return f"{median(found):.1f} [{min(found):.1f}, {max(found):.1f}]"


def _loads(rounds: Sequence[Round]) -> str:
    found = [one.load for one in rounds if one.load is not None]
    return f"load average before a round {min(found):.1f} to {max(found):.1f}." if found else ""


def _skipped(report: BlocksReport) -> str:
    """Who did not run where, and why."""
    lines = [
        f"- {cell}: {name}: {why}"
        for cell, rounds in report.cells.items()
        for name, why in rounds[0].skipped.items()
    ]
    most = report.configuration.get("identifiers")
    lines.append(
        f"- More passages than the tokenizer's {most} identifiers are ranked in sliding windows "
        "of as many, where the first stage's order has its say again."
    )
    return "## Not run\n\n" + "\n".join(lines)


def _quality(report: BlocksReport) -> str:
    """The commands that measure what these layouts cost or gain in quality."""
    layout, against = (report.configuration.get(name) for name in ("layout", "against"))
    sides = (
        (f"layout={against} --strategy sliding --strategy full", str(against)),
        ("layout=set --strategy full", "set"),
        (f"layout={layout} --strategy full --cache 4 --stored float32 --stored int8", str(layout)),
    )
    dev = " ".join(f"--collection {name}" for name in ("embedded", "nfcorpus", "wikiqa", "trecqa"))
    commands = [
        f"python -m benchmarks.quality {report.name}-{name} {dev} --split dev --orders "
        f"--model MODEL --setting {options}"
        for options, name in sides
    ]
    note = "Measured apart, on dev splits; MODEL is one trained for the layout."
    return f"## Quality and order sensitivity\n\n{note}\n\n```\n" + "\n".join(commands) + "\n```"
