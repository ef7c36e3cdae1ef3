"""What relevance feedback changed, collection by collection: figures, tables and a plot."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from benchmarks.metrics import NDCG, PerQuery
from benchmarks.report import machine, versions
from benchmarks.statistics import Interval, bootstrap, holm, randomisation_test
from benchmarks.tables import p_value, table
from data.feedback_command import MEASURES

DENSE, RERANKED, FEEDBACK, FUSED = "dense", "reranked", "feedback", "fused"
ALL = "all queries"
# Of the marks in turn, so that none hides another.
_SIZES = (90, 45, 15)
METHOD = (
    "dense: the first search. reranked: its best passages in the reranker's order, the rest after "
    "them, which leaves recall as it is. feedback: the second search, by queries moved towards "
    "what the reranker prefers. fused: both searches by reciprocal rank. Δ is the difference to "
    "dense, with 95% bootstrap intervals over queries; p-values are Fisher's paired randomisation "
    "test, two-sided, after Holm's correction over all tests of a table but those of its last row, "
    "which pools the queries and is corrected by itself. Recall@1000 says little of a collection "
    "that holds not many times 1,000 passages."
)


@dataclass(frozen=True, slots=True)
class Searched:
    """One collection's runs, measured query by query: run → measure → query → value in [0, 1].

    `relevant_from` is the least grade that recall counts.
    """

    collection: str
    passages: int
    relevant_from: int
    per_query: Mapping[str, Mapping[str, PerQuery]]

    def values(self, run: str, measure: str) -> list[float]:
        """A run's values, in the order of the queries."""
        return list(self.per_query[run][measure].values())


@dataclass(frozen=True, slots=True)
class Change:
    """A run's mean against the first search's, the difference and how sure it is.

    `better` and `worse` count queries; `adjusted` is the p-value after Holm's correction.
    """

    collection: str
    passages: int
    queries: int
    measure: str
    run: str
    before: float
    after: float
    difference: Interval
    better: int
    worse: int
    p_value: float
    adjusted: float


@dataclass(frozen=True, slots=True)
class FeedbackReport:
    """What was found, how, where and when."""

    name: str
    command: str
    settings: Mapping[str, object]
    searched: Sequence[Searched]
    changes: Sequence[Change]
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: Mapping[str, str] = field(default_factory=versions)
    machine: str = field(default_factory=machine)

    def to_dict(self) -> dict[str, object]:
        """The report as plain values, fit for JSON."""
        return asdict(self)


def changes(found: Sequence[Searched]) -> list[Change]:
    """Every run against the first search, by measure: the collections', then all queries'."""
    rows: list[Change] = []
    for measure in MEASURES:
        runs = compared(measure)
        rows += _corrected([_change(one, measure, run) for one in found for run in runs])
        if len(found) > 1:
            rows += _corrected([_change(pooled(found), measure, run) for run in runs])
    return rows


def compared(measure: str) -> tuple[str, ...]:
    """The runs that can differ from the first search in a measure."""
    return (RERANKED, FEEDBACK, FUSED) if measure == NDCG else (FEEDBACK, FUSED)


def pooled(found: Sequence[Searched]) -> Searched:
    """The queries of all collections together."""
    per_query = {
        run: {
            measure: {
                f"{one.collection} {query}": value
                for one in found
                for query, value in one.per_query[run][measure].items()
            }
            for measure in MEASURES
        }
        for run in found[0].per_query
    }
    return Searched(ALL, sum(one.passages for one in found), 1, per_query)


def _change(one: Searched, measure: str, run: str) -> Change:
    before, after = one.values(DENSE, measure), one.values(run, measure)
    differences = [new - old for old, new in zip(before, after, strict=True)]
    p = randomisation_test(before, after)
    return Change(
        collection=one.collection,
        passages=one.passages,
        queries=len(before),
        measure=measure,
        run=run,
        before=fmean(before),
        after=fmean(after),
        difference=bootstrap(differences),
        better=sum(each > 0 for each in differences),
        worse=sum(each < 0 for each in differences),
        p_value=p,
        adjusted=p,
    )


def _corrected(rows: Sequence[Change]) -> list[Change]:
    adjusted = holm([row.p_value for row in rows])
    return [replace(row, adjusted=p) for row, p in zip(rows, adjusted, strict=True)]


def markdown(report: FeedbackReport) -> str:
    """The report as text, one table a measure."""
    told = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    packages = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    parts = [
        f"# Relevance feedback: {report.name}",
        f"```\n{report.command}\n```",
        f"{report.date}; {report.machine}; {packages}.",
        f"{told}.",
        METHOD,
    ]
    for measure in MEASURES:
        parts += [f"## {measure}", measured(report.changes, measure)]
    return "\n\n".join(parts) + "\n"


def measured(found: Sequence[Change], measure: str) -> str:
    """One measure's table: a line a collection, of each run its mean, Δ and p."""
    lines: dict[str, list[str]] = {}
    for row in (row for row in found if row.measure == measure):
        head = [row.collection, f"{row.passages:,}", str(row.queries), f"{row.before:.3f}"]
        line = lines.setdefault(row.collection, head)
        gap = row.difference
        line += [
            f"{row.after:.3f}",
            f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]",
            f"{row.better} / {row.worse}",
            p_value(row.adjusted),
        ]
    header = ["collection", "passages", "queries", DENSE]
    for run in compared(measure):
        header += [run, "Δ", "better / worse", "p"]
    return table(header, lines.values())


def plot(report: FeedbackReport, path: Path) -> None:
    """Recall of the searches, a line a collection from before to after.

    Raises:
        MissingExtraError: where matplotlib is not installed.
    """
    from benchmarks.figure import COLOURS, new_figure, save

    names = [one.collection for one in report.searched]
    measures = [measure for measure in MEASURES if measure != NDCG]
    figure, axes = new_figure(9.0, 1.6 + 0.4 * len(names), columns=len(measures), share_y=True)
    for one, measure in zip(axes, measures, strict=True):
        for place, searched in enumerate(report.searched):
            runs = (DENSE, *compared(measure))
            means = [fmean(searched.values(run, measure)) for run in runs]
            one.plot(means[:2], [place, place], color=COLOURS[0], zorder=1)
            for run, mean, colour, size in zip(runs, means, COLOURS, _SIZES, strict=False):
                label = None if place else run
                one.scatter(mean, place, s=size, color=colour, label=label, zorder=2)
        one.set_xlabel(measure)
        one.set_yticks(range(len(names)), names)
        one.grid(axis="x", alpha=0.3)
    axes[0].invert_yaxis()
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    save(figure, path)
