"""What an ablation found, and what of it is more than chance, as Markdown."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from benchmarks.metrics import NDCG
from benchmarks.report import machine, versions
from benchmarks.speed.report import processor
from benchmarks.statistics import (
    PERMUTATIONS,
    RESAMPLES,
    Comparison,
    bootstrap,
    compare,
    holm,
    randomisation_test,
)
from benchmarks.tables import interval, p_value, table
from reranker.errors import DataError
from training.recipe import Recipe

Values = dict[str, list[float]]
"""nDCG@10 of every query, by dev set."""

LEVEL = 0.05
FILE_NAME = "ablation.json"
ALL = "all dev sets"
PACKAGES = ("reranker", "torch", "transformers", "peft")
METHOD = (
    "Each trained on the same windows of the same data, for the same steps, from the same first "
    "weights and at the same learning rate where nothing else is said, once with each seed; the "
    "last step's "
    f"weights ranked the dev sets. A query's {NDCG} is its mean over the seeds. Brackets are 95% "
    f"bootstrap intervals over queries ({RESAMPLES:,} resamples). p-values are Fisher's paired "
    f"randomisation test over queries, two-sided (all signs, or {PERMUTATIONS:,} drawn at "
    "random), after Holm's correction: in the first table over the comparisons with its first "
    "line, in the second over all pairs. They tell how sure a difference is of other "
    "queries, not of other seeds: how far those are apart stands beside it, and in how many of "
    "the seeds it stood above the first one. `first stage` is the order given to all."
)


@dataclass(frozen=True, slots=True)
class Ablation:
    """What was found, where and when: `values` by what was trained and seed, the baseline first."""

    command: str
    recipe: str
    values: Mapping[str, Mapping[int, Values]]
    first_stage: Values
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: Mapping[str, str] = field(default_factory=lambda: versions(PACKAGES))
    machine: str = field(default_factory=machine)
    processor: str = field(default_factory=processor)

    @property
    def seeds(self) -> list[int]:
        """Those that all were trained with, and no others."""
        found = [set(by_seed) for by_seed in self.values.values()]
        return sorted(set.intersection(*found))

    @property
    def dev(self) -> list[str]:
        """The dev sets, and all of them together where there are several."""
        names = list(self.first_stage)
        return names if len(names) == 1 else [*names, ALL]

    def of(self, entrant: str, seed: int, dev: str) -> list[float]:
        """nDCG@10 of every query."""
        return _of(self.values[entrant][seed], dev)

    def over_seeds(self, entrant: str, dev: str) -> list[float]:
        """nDCG@10 of every query, the mean over the seeds."""
        runs = [self.of(entrant, seed, dev) for seed in self.seeds]
        return [fmean(values) for values in zip(*runs, strict=True)]


def read(folder: Path) -> Ablation:
    """What an ablation wrote into its folder."""
    found = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    values = {
        entrant: {int(seed): of for seed, of in by_seed.items()}
        for entrant, by_seed in found.pop("values").items()
    }
    return Ablation(values=values, **found)


def joined(parts: Sequence[Ablation]) -> Ablation:
    """Ablations of one recipe and one dev set as one: all that was trained, with all seeds of it.

    Raises:
        DataError: where recipes or dev sets differ, or one seed has two results.
    """
    first, *others = parts
    values = {entrant: dict(by_seed) for entrant, by_seed in first.values.items()}
    for part in others:
        if (_asked(part), part.first_stage) != (_asked(first), first.first_stage):
            raise DataError(
                "these ablations do not go together: another recipe, or other dev queries; join "
                f"what differs in objectives and seeds alone ({part.command:.80} …)"
            )
        for entrant, by_seed in part.values.items():
            known = values.setdefault(entrant, {})
            if unlike := [
                seed for seed in by_seed if known.get(seed, by_seed[seed]) != by_seed[seed]
            ]:
                raise DataError(f"{entrant} has two results of seed {unlike[0]}; join one of them")
            known.update(by_seed)
    return replace(first, values=values)


def _asked(found: Ablation) -> Recipe:
    """The recipe, wherever its data lay."""
    return Recipe.parse(found.recipe, ["data_folder=."])


def markdown(found: Ablation) -> str:
    """The whole report."""
    packages = ", ".join(f"{name} {number}" for name, number in found.versions.items())
    recipe = Recipe.parse(found.recipe)
    parts = [
        "# Ablation",
        f"```\n{found.command}\n```",
        f"{found.date}; model {Path(recipe.model).name}; {found.machine}; {found.processor}; "
        f"{packages}.",
        f"{len(found.values)} ways to train, seeds {', '.join(map(str, found.seeds))}, "
        f"{recipe.steps} steps of {recipe.batch} windows.",
        METHOD,
        *(f"## {dev}, {queries(found, dev)} queries\n\n{section(found, dev)}" for dev in found.dev),
        f"```yaml\n{found.recipe}```",
    ]
    return "\n\n".join(parts) + "\n"


def against_baseline(found: Ablation, dev: str) -> list[Comparison]:
    """Each after the first tested against it, corrected together."""
    first, *others = found.values
    scores = {name: found.over_seeds(name, dev) for name in found.values}
    p_values = [randomisation_test(scores[first], scores[name]) for name in others]
    return [
        Comparison(first, name, fmean(scores[name]) - fmean(scores[first]), p, q)
        for name, p, q in zip(others, p_values, holm(p_values), strict=True)
    ]


def _of(values: Values, dev: str) -> list[float]:
    return [value for one in values.values() for value in one] if dev == ALL else values[dev]


def queries(found: Ablation, dev: str) -> int:
    """How many a dev set has."""
    return len(_of(found.first_stage, dev))


def section(found: Ablation, dev: str) -> str:
    """The tables of a dev set."""
    first_stage = _of(found.first_stage, dev)
    comparisons = against_baseline(found, dev)
    first, *_ = found.values
    header = ("", NDCG, *(f"seed {seed}" for seed in found.seeds), f"Δ {first}", "p", "seeds above")
    blank = [""] * (len(header) - 2)
    rows = [["first stage", interval(bootstrap(first_stage)), *blank]]
    pairs = compare({name: found.over_seeds(name, dev) for name in found.values})
    measured = table(header, [*rows, *_lines(found, dev, comparisons)])
    return "\n\n".join([measured, _verdict(first, comparisons), _pairs(pairs)])


def _lines(found: Ablation, dev: str, comparisons: Sequence[Comparison]) -> Iterator[list[str]]:
    first, *_ = found.values
    tested = {c.second: c for c in comparisons}
    for name in found.values:
        means = [fmean(found.of(name, seed, dev)) for seed in found.seeds]
        bases = [fmean(found.of(first, seed, dev)) for seed in found.seeds]
        above = sum(mean > base for mean, base in zip(means, bases, strict=True))
        told = ["", "", ""]
        if name in tested:
            one = tested[name]
            told = [f"{one.difference:+.4f}", p_value(one.adjusted), f"{above} of {len(means)}"]
        value = interval(bootstrap(found.over_seeds(name, dev)))
        yield [name, value, *(f"{mean:.4f}" for mean in means), *told]


def _verdict(first: str, comparisons: Sequence[Comparison]) -> str:
    """Which are told apart from the first, and which are not."""
    sure = [c for c in comparisons if c.adjusted < LEVEL]
    groups = {
        f"Significantly better than {first}": [c.second for c in sure if c.difference > 0],
        f"Significantly worse than {first}": [c.second for c in sure if c.difference < 0],
        f"Not significantly different from {first}": [
            c.second for c in comparisons if c.adjusted >= LEVEL
        ],
    }
    return "\n".join(f"- {words}: {', '.join(who) or 'none'}." for words, who in groups.items())


def _pairs(pairs: Sequence[Comparison]) -> str:
    """All pairs that are told apart, and how many are not."""
    sure = [c for c in pairs if c.adjusted < LEVEL]
    told = f"Of all {len(pairs)} pairs, {len(pairs) - len(sure)} are not told apart."
    if not sure:
        return told
    header = ("of", "to", f"Δ {NDCG}", "p alone", "p corrected")
    rows = (
        [c.first, c.second, f"{c.difference:+.4f}", p_value(c.p_value), p_value(c.adjusted)]
        for c in sure
    )
    return f"{told} The others:\n\n{table(header, rows)}"
