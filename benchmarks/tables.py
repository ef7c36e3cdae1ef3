"""A report as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.metrics import MEASURES, NDCG
from benchmarks.orders import FIRST_STAGE
from benchmarks.report import Experiment, Report, Row
from benchmarks.statistics import PERMUTATIONS, RESAMPLES, Comparison, Interval

METHOD = (
    f"Brackets are 95% bootstrap intervals over queries ({RESAMPLES:,} resamples). p-values are "
    f"Fisher's paired randomisation test on {NDCG}, two-sided (all signs, or {PERMUTATIONS:,} "
    "drawn at random), after Holm's correction over all pairs of a table. nDCG has linear gains. "
    "Costs are means a query."
)


def markdown(report: Report) -> str:
    """The whole report; every table says how many queries it rests on."""
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    head = [
        f"# Quality: {report.name}",
        f"```\n{report.command}\n```",
        f"{report.date}; {report.machine}; {versions}.",
        METHOD,
    ]
    parts = [*head, *(_experiment(experiment) for experiment in report.experiments)]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _experiment(experiment: Experiment) -> str:
    parts = [
        f"## {experiment.title}",
        _facts(experiment),
        _measures(experiment),
        _comparisons(experiment.comparisons),
        _orders(experiment.rows),
        _settings(experiment.rows),
    ]
    return "\n\n".join(part for part in parts if part)


def _facts(experiment: Experiment) -> str:
    grade = experiment.relevant_from
    binary = f"; MRR and recall count grades of {grade} and more" if grade > 1 else ""
    return f"{experiment.queries} queries, split {experiment.split}{binary}."


def _measures(experiment: Experiment) -> str:
    first, *_ = experiment.rows
    against = {c.second: c.adjusted for c in experiment.comparisons if c.first == first.label}
    header = ["run", *MEASURES, f"Δ {NDCG}", "p", "windows", "tokens", "seconds"]
    return table(header, (_line(row, first, against) for row in experiment.rows))


def _line(row: Row, first: Row, against: Mapping[str, float]) -> list[str]:
    gain = row.measures[NDCG].mean - first.measures[NDCG].mean
    tested = [f"{gain:+.4f}", p_value(against[row.label])] if row.label in against else ["", ""]
    measures = [interval(row.measures[name]) for name in MEASURES]
    return [row.label, *measures, *tested, *_cost(row)]


def _cost(row: Row) -> list[str]:
    if row.cost is None:
        return ["-", "-", "-"]
    return [number(row.cost.windows), number(row.cost.tokens), f"{row.cost.seconds:.3g}"]


def interval(value: Interval) -> str:
    """A mean and its interval."""
    return f"{value.mean:.4f} [{value.low:.3f}, {value.high:.3f}]"


def p_value(value: float) -> str:
    """A p-value to three decimals, small ones as a bound."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def number(value: float | None) -> str:
    """A mean count."""
    return "-" if value is None else f"{value:,.1f}"


def _comparisons(comparisons: Sequence[Comparison]) -> str:
    """All pairs; with a single one, the table of measures has said it."""
    if len(comparisons) < 2:
        return ""
    rows = (
        [c.first, c.second, f"{c.difference:+.4f}", p_value(c.p_value), p_value(c.adjusted)]
        for c in comparisons
    )
    return table(["of", "to", f"Δ {NDCG}", "p alone", "p corrected"], rows)


def _orders(rows: Sequence[Row]) -> str:
    found = [(row.label, row.orders) for row in rows if row.orders]
    if not found:
        return ""
    orders = list(found[0][1].means)
    header = [f"{NDCG} given", *orders, "mean", "std", "spread", "spread a query", "Kendall τ"]
    lines = (
        [label, *(f"{o.means[name]:.4f}" for name in orders), f"{o.mean:.4f}"]
        + [f"{value:.4f}" for value in (o.deviation, o.spread, o.query_spread, o.tau)]
        for label, o in found
    )
    note = (
        "Order sensitivity: the same candidates given in other orders. std and spread (largest "
        "less smallest) are of the orders' means, the spread a query is the mean of each query's "
        f"own; τ is the mean over queries and pairs of orders. `{FIRST_STAGE}` is the table above."
    )
    return f"{note}\n\n{table(header, lines)}"


def _settings(rows: Sequence[Row]) -> str:
    lines = [
        f"- {row.label}: "
        + ", ".join(f"{name} {value}" for name, value in row.settings.items() if value is not None)
        for row in rows
        if row.settings
    ]
    return "\n".join(lines)
