"""A robustness report: as Markdown tables, and one plot of how far attacks lift a passage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import COLOURS, new_figure, save
from benchmarks.metrics import NDCG
from benchmarks.report import machine, versions
from benchmarks.robustness.attacks import ATTACKS, END_WORDS, POSITIONS
from benchmarks.robustness.findings import TOP, Agreement, Attacked, Duplicated
from benchmarks.statistics import PERMUTATIONS, RESAMPLES, Interval
from benchmarks.tables import interval, number, p_value, table

PLOT = "attacks.png"
METHOD = (
    f"Brackets are 95% bootstrap intervals over queries ({RESAMPLES:,} resamples); p-values are "
    f"Fisher's paired randomisation test, two-sided (all signs, or {PERMUTATIONS:,} drawn at "
    "random), after Holm's correction within a table. τ is Kendall's, a query."
)
_AGREEMENT = (
    f"The first row is what the others are held against: Δ and p are of {NDCG}, τ says how far the "
    "rankings agree."
)
_DUPLICATES = (
    "A query's first relevant candidate is followed by copies of itself in the first stage's "
    "order; the last candidates make room. Ranks do not count copies; the gap is how many ranks a "
    "copy stands below its original; τ is over all others."
)
_ATTACKS = (
    "The lowest candidates that are judged irrelevant, or not at all, each with a text put into "
    f"it, one at a time: before its own, or after the first {END_WORDS} words of it. Shares at "
    f"rank 1 and among the best {TOP}; the gain is in ranks, against the same passage unattacked, "
    "and p is of it; τ is over all other passages. Same scores have attacks that stand beyond "
    "what is read of a passage, or change less than the model's type tells apart. `{own}` is the "
    "identifier that the passage has where they are dealt in first-stage order, `{shuffled}` the "
    "query's words in another order. "
    "Undefended, the same model reads texts as the tokenizer gives them, control tokens and all, "
    "and nothing in them is rewritten."
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What one collection says: `agreements` by section; identifiers not measured, and why.

    `verbatim` is the share of unattacked candidates that hold their query, word for word.
    """

    collection: str
    first_stage: str
    depth: int
    queries: int
    agreements: Mapping[str, Sequence[Agreement]]
    passed: Mapping[str, str]
    duplicates: Sequence[Duplicated]
    attacks: Sequence[Attacked]
    verbatim: float


@dataclass(frozen=True, slots=True)
class RobustnessReport:
    """Findings, and where, when and how they were made."""

    name: str
    command: str
    settings: Mapping[str, object]
    findings: Sequence[Findings]
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: Mapping[str, str] = field(default_factory=versions)
    machine: str = field(default_factory=machine)


def markdown(report: RobustnessReport) -> str:
    """The whole report; every table says how many queries it rests on."""
    packages = ", ".join(f"{name} {value}" for name, value in report.versions.items())
    settings = ", ".join(f"{k} {v}" for k, v in report.settings.items() if v is not None)
    parts = [
        f"# Robustness: {report.name}",
        f"```\n{report.command}\n```",
        f"{report.date}; {report.machine}; {packages}.",
        f"Model: {settings}.",
        METHOD,
        *(part for findings in report.findings for part in _section(findings)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(found: Findings) -> Iterator[str]:
    yield f"## {found.collection}, {found.first_stage} top {found.depth}, {found.queries} queries"
    yield _AGREEMENT
    for name, agreements in found.agreements.items():
        yield f"### {name}\n\n{_agreements(agreements)}"
    if found.passed:
        passed = (f"- {name}: {why}." for name, why in found.passed.items())
        yield "Identifiers that were not measured:\n\n" + "\n".join(passed)
    if found.duplicates:
        yield f"### Near-duplicates\n\n{_DUPLICATES}\n\n{_duplicates(found.duplicates)}"
    yield f"### Attacks\n\n{_ATTACKS}"
    yield _texts()
    for reranker in dict.fromkeys(row.reranker for row in found.attacks):
        yield _attacks([row for row in found.attacks if row.reranker == reranker])
    yield (
        f"Of the unattacked candidates, {found.verbatim:.1%} hold their query word for word: whom "
        "a check for such copies would suspect."
    )
    if found.attacks:
        yield f"![Gain in ranks by attack]({plot_name(found)})"


def _agreements(rows: Sequence[Agreement]) -> str:
    header = ["", NDCG, "Δ", "p", "τ", "tokens a query", "queries"]
    lines = [
        [
            row.condition,
            interval(row.ndcg),
            f"{row.difference:+.4f}",
            p_value(row.p_value),
            interval(row.tau),
            number(row.tokens),
            str(row.queries),
        ]
        for row in rows
    ]
    first = lines[0]
    return table(header, [[*first[:2], "", "", "", *first[5:]], *lines[1:]])


def _duplicates(rows: Sequence[Duplicated]) -> str:
    header = ["", "rank before", "after", "gap", f"copies in top {TOP}", "τ", "queries"]
    lines = ([row.change, *map(_short, _ranks(row)), str(row.queries)] for row in rows)
    return table(header, lines)


def _ranks(row: Duplicated) -> tuple[Interval, ...]:
    return row.before, row.after, row.gap, row.top, row.tau


def _texts() -> str:
    return table(["attack", "text"], ([attack.name, _code(attack.text)] for attack in ATTACKS))


def _code(text: str) -> str:
    return "`" + text.replace("\n", "\\n") + "`"


def _attacks(rows: Sequence[Attacked]) -> str:
    first = rows[0]
    header = ["rank 1", f"top {TOP}", "gain", "p", "τ", "same scores"]
    lines = (
        [row.change, _short(row.first), _short(row.top)]
        + ([""] * 4 if row.p_value is None else _effect(row, row.p_value))
        for row in rows
    )
    title = f"{first.reranker}, {first.passages} passages of {first.queries} queries"
    return table([title, *header], lines)


def _effect(row: Attacked, p: float) -> list[str]:
    return [_short(row.gain), p_value(p), _short(row.tau), f"{row.same:.0%}"]


def _short(value: Interval) -> str:
    return f"{value.mean:.2f} [{value.low:.2f}, {value.high:.2f}]"


def plot_name(found: Findings) -> str:
    """The plot's path within the results' folder."""
    return f"plots/{found.collection}-{PLOT}"


def plot(report: RobustnessReport, folder: Path) -> None:
    """Draw each collection's gains by attack, a colour a reranker and a mark a position.

    Raises:
        MissingExtraError: where matplotlib is not installed.
    """
    for found in report.findings:
        if found.attacks:
            _draw(found, folder / plot_name(found))


def _draw(found: Findings, path: Path) -> None:
    names = [attack.name for attack in ATTACKS]
    series = list(dict.fromkeys((row.reranker, _position(row)) for row in found.attacks))
    series = [one for one in series if one[1]]
    rerankers = list(dict.fromkeys(reranker for reranker, _ in series))
    figure, [axes] = new_figure(8.0, 1.5 + 0.6 * len(names))
    for index, (reranker, position) in enumerate(series):
        rows = [r for r in found.attacks if (r.reranker, _position(r)) == (reranker, position)]
        height = 0.6 * (index / max(1, len(series) - 1) - 0.5)
        axes.errorbar(
            [row.gain.mean for row in rows],
            [names.index(row.change.rpartition(", ")[0]) + height for row in rows],
            xerr=[[row.gain.mean - row.gain.low for row in rows],
                  [row.gain.high - row.gain.mean for row in rows]],
            fmt="os"[POSITIONS.index(position)], markersize=4, linewidth=0.9,
            color=COLOURS[(rerankers.index(reranker) + 1) % len(COLOURS)],
            label=f"{reranker}, {position}",
        )  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.8)
    for between in range(1, len(names)):
        axes.axhline(between - 0.5, color=COLOURS[0], linewidth=0.4)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(f"gain in ranks of {found.depth} (95% interval)")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    save(figure, path)


def _position(row: Attacked) -> str:
    return row.change.rpartition(", ")[2] if ", " in row.change else ""
