"""What trials say: how far rankings agree, where duplicates land, and how far attacks get."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.orders import kendall_tau
from benchmarks.robustness.perturbations import copy_id
from benchmarks.robustness.trials import Bench, Trial
from benchmarks.statistics import Interval, bootstrap, holm, randomisation_test
from benchmarks.work import Outcome
from data.measures import ndcg_of

TOP = 10
Tried = Sequence[tuple[Trial, Outcome]]
ByQuery = dict[str, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The rankings under one condition, held against those of the section's first.

    `tau` is Kendall's, a query; `p_value` is of the difference in nDCG@10, after Holm's correction
    within the section; `tokens` is the mean a query, None where it is not told.
    """

    condition: str
    queries: int
    ndcg: Interval
    difference: float
    p_value: float
    tau: Interval
    tokens: float | None


@dataclass(frozen=True, slots=True)
class Duplicated:
    """A relevant passage and its copies.

    `before` and `after` are the passage's ranks, copies not counted; `gap` is how many ranks a copy
    stands below it, above it where negative; `top` is the share of copies among the best ten; `tau`
    is Kendall's over all others.
    """

    change: str
    queries: int
    before: Interval
    after: Interval
    gap: Interval
    top: Interval
    tau: Interval


@dataclass(frozen=True, slots=True)
class Attacked:
    """Passages with one text put into them, as one reranker ranked them.

    `first` and `top` are the shares at rank 1 and among the best ten; `gain` is in ranks, against
    the same passage unattacked, and `p_value` is of it, after Holm's correction over the
    reranker's attacks; `tau` is Kendall's over all other passages; `same` is the share of attacks
    that changed no score, as those beyond what is read of a passage.
    """

    reranker: str
    change: str
    queries: int
    passages: int
    first: Interval
    top: Interval
    gain: Interval
    p_value: float | None
    tau: Interval
    same: float


def agreements(bench: Bench, found: Mapping[str, Mapping[str, Outcome]]) -> list[Agreement]:
    """Every condition's outcomes by query, the first of them what others are held against."""
    ndcg = {condition: _ndcg(bench, outcomes) for condition, outcomes in found.items()}
    first, *others = found
    p_values = [randomisation_test(ndcg[first], ndcg[condition]) for condition in others]
    return [
        _agreement(condition, found[condition], found[first], ndcg[condition], ndcg[first], p)
        for condition, p in zip(found, [1.0, *holm(p_values)], strict=True)
    ]


def duplications(tried: Tried, unchanged: Mapping[str, Outcome]) -> list[Duplicated]:
    """One row a kind of duplication."""
    return [_duplicated(change, trials, unchanged) for change, trials in _by_change(tried).items()]


def attacks(reranker: str, tried: Tried, unchanged: Mapping[str, Outcome]) -> list[Attacked]:
    """One row an attack and position; the first is of the same passages unattacked."""
    groups = _by_change(tried)
    if not groups:
        return []
    any_group = next(iter(groups.values()))
    before = [(trial, unchanged[trial.query_id]) for trial, _ in any_group]
    ranks = _mean_ranks(before)
    p_values = [randomisation_test(ranks, _mean_ranks(trials)) for trials in groups.values()]
    rows = [
        _attacked(reranker, change, trials, unchanged, p)
        for (change, trials), p in zip(groups.items(), holm(p_values), strict=True)
    ]
    return [_attacked(reranker, "unattacked", before, unchanged, None), *rows]


def _ndcg(bench: Bench, outcomes: Mapping[str, Outcome]) -> list[float]:
    return [ndcg_of(outcome.ids, bench.grades(query)) for query, outcome in outcomes.items()]


def _agreement(
    condition: str,
    found: Mapping[str, Outcome],
    against: Mapping[str, Outcome],
    ndcg: Sequence[float],
    base: Sequence[float],
    p_value: float,
) -> Agreement:
    tokens = [outcome.tokens for outcome in found.values() if outcome.tokens is not None]
    return Agreement(
        condition=condition,
        queries=len(found),
        ndcg=bootstrap(ndcg),
        difference=fmean(ndcg) - fmean(base),
        p_value=p_value,
        tau=bootstrap([kendall_tau(against[query].ids, found[query].ids) for query in found]),
        tokens=fmean(tokens) if len(tokens) == len(found) else None,
    )


def _duplicated(change: str, tried: Tried, unchanged: Mapping[str, Outcome]) -> Duplicated:
    copies = [(trial, outcome, _copies(trial)) for trial, outcome in tried]
    ranks = [[_rank(outcome, each) for each in names] for _, outcome, names in copies]
    originals = [_rank(outcome, trial.target) for trial, outcome in tried]
    return Duplicated(
        change=change,
        queries=len(tried),
        before=bootstrap([_rank(unchanged[trial.query_id], trial.target) for trial, _ in tried]),
        after=bootstrap(
            [
                original - sum(rank < original for rank in of_copies)
                for original, of_copies in zip(originals, ranks, strict=True)
            ]
        ),
        gap=bootstrap([fmean(r) - o for o, r in zip(originals, ranks, strict=True)]),
        top=bootstrap([fmean(rank <= TOP for rank in of_copies) for of_copies in ranks]),
        tau=bootstrap([_tau_of_others(t, o, unchanged[t.query_id]) for t, o in tried]),
    )


def _attacked(
    reranker: str,
    change: str,
    tried: Tried,
    unchanged: Mapping[str, Outcome],
    p_value: float | None,
) -> Attacked:
    ranks = [_rank(outcome, trial.target) for trial, outcome in tried]
    before = [_rank(unchanged[trial.query_id], trial.target) for trial, _ in tried]
    gains = [old - new for old, new in zip(before, ranks, strict=True)]
    taus = [_tau_of_others(trial, o, unchanged[trial.query_id]) for trial, o in tried]
    return Attacked(
        reranker=reranker,
        change=change,
        queries=len({trial.query_id for trial, _ in tried}),
        passages=len(tried),
        first=_interval(tried, [float(rank == 1) for rank in ranks]),
        top=_interval(tried, [float(rank <= TOP) for rank in ranks]),
        gain=_interval(tried, gains),
        p_value=p_value,
        tau=_interval(tried, taus),
        same=fmean(_same(outcome, unchanged[trial.query_id]) for trial, outcome in tried),
    )


def _interval(tried: Tried, values: Iterable[float]) -> Interval:
    """Over queries: those of one query are no independent values."""
    return bootstrap(list(_by_query(tried, values).values()))


def _by_query(tried: Tried, values: Iterable[float]) -> ByQuery:
    """Each query's mean."""
    found: dict[str, list[float]] = {}
    for (trial, _), value in zip(tried, values, strict=True):
        found.setdefault(trial.query_id, []).append(value)
    return {query: fmean(of_query) for query, of_query in found.items()}


def _mean_ranks(tried: Tried) -> list[float]:
    ranks = [_rank(outcome, trial.target) for trial, outcome in tried]
    return list(_by_query(tried, ranks).values())


def _by_change(tried: Tried) -> dict[str, list[tuple[Trial, Outcome]]]:
    found: dict[str, list[tuple[Trial, Outcome]]] = {}
    for trial, outcome in tried:
        found.setdefault(trial.change, []).append((trial, outcome))
    return found


def _copies(trial: Trial) -> list[str]:
    """The ids of the target's copies among a trial's passages."""
    ids = {str(passage.id) for passage in trial.passages}
    return [name for n in range(1, len(ids)) if (name := copy_id(trial.target, n)) in ids]


def _tau_of_others(trial: Trial, outcome: Outcome, before: Outcome) -> float:
    """Kendall's tau over passages that are in both rankings and are not the target."""
    both = (set(outcome.ids) & set(before.ids)) - {trial.target}
    return kendall_tau(
        [id_ for id_ in before.ids if id_ in both], [id_ for id_ in outcome.ids if id_ in both]
    )


def _rank(outcome: Outcome, id_: str) -> int:
    return outcome.ids.index(id_) + 1


def _same(outcome: Outcome, before: Outcome) -> bool:
    return (outcome.ids, outcome.scores) == (before.ids, before.scores)
