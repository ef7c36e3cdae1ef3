"""The parts of a robustness benchmark: what is changed, and by which rerankers it is ranked."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from string import ascii_lowercase
from typing import TYPE_CHECKING

from benchmarks.orders import FIRST_STAGE, ORDERS, REVERSED, SHUFFLED, arranged
from benchmarks.reranking import MeasuredReranker
from benchmarks.robustness.attacks import ATTACKS, END, POSITIONS, Attack, attack_trials
from benchmarks.robustness.findings import (
    Agreement,
    Attacked,
    Duplicated,
    agreements,
    attacks,
    duplications,
)
from benchmarks.robustness.lexical import lexical
from benchmarks.robustness.perturbations import duplication_trials
from benchmarks.robustness.trials import Bench, Trial
from benchmarks.work import Outcome
from reranker.errors import RerankerError
from reranker.identifiers import ALPHABETS

if TYPE_CHECKING:
    from reranker.reranker import Reranker

LENGTHS = (32, 64, 96, 128)
DEALS = 4
# To see that nothing depends on the order, where it must not.
FEW_ORDERS = (FIRST_STAGE, REVERSED, SHUFFLED[0])
PARTS = ("prior", "likelihood")
Load = Callable[[Mapping[str, object]], MeasuredReranker]
"""Loads the model anew, with settings overridden."""


def ours(measured: MeasuredReranker) -> "Reranker":
    """The reranker of this project that is measured."""
    from reranker.reranker import Reranker

    assert isinstance(measured.ranker, Reranker), "a model of this project is measured"
    return measured.ranker


def variant(measured: MeasuredReranker, **settings: object) -> MeasuredReranker:
    """The same loaded model under other settings, labelled by them."""
    label = " ".join([measured.label, *(f"{name}={value}" for name, value in settings.items())])
    return MeasuredReranker(
        label, {**measured.settings, **settings}, ours(measured).with_settings(**settings)
    )


def orders(
    bench: Bench, measured: MeasuredReranker, chosen: Sequence[str] = ORDERS
) -> list[Agreement]:
    """The same candidates given in other orders."""
    return agreements(bench, {order: _ordered(bench, measured, order) for order in chosen})


def parts(bench: Bench, measured: MeasuredReranker) -> list[Agreement]:
    """Scores without what the model's own settings make them of, one part at a time."""
    settings = ours(measured).settings
    taken = [name for name in PARTS if getattr(settings, name)]
    rerankers = [measured, *(variant(measured, **{name: 0}) for name in taken)]
    rerankers.append(variant(measured, cut_query=True))
    names = ["all", *(f"{name} 0" for name in taken), "cut_query"]
    return agreements(
        bench, {name: bench.unchanged(one) for name, one in zip(names, rerankers, strict=True)}
    )


def lengths(bench: Bench, measured: MeasuredReranker) -> list[Agreement]:
    """More and fewer tokens of each passage read; the first row is the model's own number."""
    own = ours(measured).settings.passage_tokens
    others = [length for length in LENGTHS if length != own]
    found = {f"{own} tokens": bench.unchanged(measured)}
    for length in others:
        found[f"{length} tokens"] = bench.unchanged(variant(measured, passage_tokens=length))
    return agreements(bench, found)


def identifiers(
    bench: Bench, measured: MeasuredReranker, load: Load
) -> tuple[list[Agreement], dict[str, str]]:
    """Passages under other identifiers, and why some alphabets were not measured."""
    reranker, window = ours(measured), ours(measured).settings.window
    own = reranker.identifiers[:window]
    found, passed = {_span(own): bench.unchanged(measured)}, {}
    for name, alphabet in _alphabets(reranker).items():
        dealt = alphabet[:window]
        try:
            if dealt == own:
                passed[name] = f"its first {window} are those above"
            elif len(dealt) < window:
                passed[name] = f"{len(dealt)} identifiers for windows of {window}"
            else:
                other = _lettered(measured, dealt, load)
                found[f"{name}: {_span(dealt)}"] = bench.unchanged(other)
        except RerankerError as error:
            passed[name] = str(error)
    return agreements(bench, found), passed


def deals(bench: Bench, measured: MeasuredReranker) -> list[Agreement]:
    """The same identifiers dealt otherwise, and the mean of a passage's scores over all deals.

    Empty where candidates need several windows, whose scores a mean would mix.
    """
    window = ours(measured).settings.window
    own = ours(measured).identifiers[:window]
    if any(len(passages) > window for passages in bench.candidates.values()):
        return []
    found = {"as they are": bench.unchanged(measured)}
    for turn in range(1, DEALS):
        by = turn * len(own) // DEALS
        other = variant(measured, identifiers=own[by:] + own[:by])
        found[f"turned by {by}"] = bench.unchanged(other)
    dealt = list(found.values())
    found[f"mean of {DEALS} deals"] = {
        query: averaged([outcomes[query] for outcomes in dealt]) for query in bench.candidates
    }
    return agreements(bench, found)


def averaged(outcomes: Sequence[Outcome]) -> Outcome:
    """The same passages ranked by the mean of their scores, at the cost of all rankings."""
    scored = [dict(zip(one.ids, one.scores, strict=True)) for one in outcomes]
    means = {id_: fmean(scores[id_] for scores in scored) for id_ in outcomes[0].ids}
    ids = sorted(means, key=lambda id_: -means[id_])
    return Outcome(
        tuple(ids),
        tuple(means[id_] for id_ in ids),
        seconds=sum(one.seconds for one in outcomes),
        windows=sum(one.windows or 0 for one in outcomes),
        tokens=sum(one.tokens or 0 for one in outcomes),
    )


def duplicates(bench: Bench, measured: MeasuredReranker, relevant_from: int) -> list[Duplicated]:
    """Relevant passages beside copies of themselves."""
    trials = duplication_trials(bench, relevant_from)
    outcomes = bench.tried(measured, trials)
    return duplications(list(zip(trials, outcomes, strict=True)), bench.unchanged(measured))


def adversaries(bench: Bench, measured: MeasuredReranker, count: int) -> list[Attacked]:
    """Attacks on the reranker, without its defence, without the likelihood, and on BM25."""
    from benchmarks.robustness.undefended import undefended

    forging = [attack for attack in ATTACKS if attack.forges]
    stuffing = [attack for attack in ATTACKS if attack.stuffs and not attack.forges]
    rows = attack(bench, measured, ATTACKS, count)
    rows += attack(bench, undefended(measured), forging, count)
    repeating = [attack for attack in ATTACKS if attack.stuffs]
    rows += attack(bench, variant(measured, cut_query=True), repeating, count)
    if ours(measured).settings.likelihood:
        rows += attack(bench, variant(measured, likelihood=0), stuffing, count)
    return [*rows, *attack_bm25(bench, count)]


def attack(
    bench: Bench, measured: MeasuredReranker, chosen: Sequence[Attack], count: int
) -> list[Attacked]:
    """Attacks on one reranker, at the beginning and the end of passages."""
    trials = attack_trials(bench, chosen, POSITIONS, count)
    tried = zip(trials, bench.tried(measured, trials), strict=True)
    return attacks(measured.label, list(tried), bench.unchanged(measured))


def attack_bm25(bench: Bench, count: int) -> list[Attacked]:
    """Attacks on BM25, which knows no positions."""
    measured, trials = lexical(bench.collection), attack_trials(bench, ATTACKS, [END], count)
    # An index over the collection takes seconds: one for all.
    outcomes = bench.tried(measured, trials, batch=max(1, len(trials)))
    tried = list(zip(trials, outcomes, strict=True))
    return attacks(measured.label, tried, bench.unchanged(measured))


def _ordered(bench: Bench, measured: MeasuredReranker, order: str) -> dict[str, Outcome]:
    trials = []
    for query, passages in bench.candidates.items():
        by_id = {str(passage.id): passage for passage in passages}
        ids = arranged(list(by_id), order, query)
        trials.append(Trial(order, query, tuple(by_id[id_] for id_ in ids)))
    return dict(zip(bench.candidates, bench.tried(measured, trials), strict=True))


def _alphabets(reranker: "Reranker") -> dict[str, tuple[str, ...]]:
    held = reranker.identifiers
    return {
        "letters": ALPHABETS["letters"],
        "mixed": ALPHABETS["mixed"],
        "backwards": held[: reranker.settings.window][::-1],
        "pairs": tuple(name for name in held if len(name) > 1),
        "lower case": tuple(ascii_lowercase),
        "numbers": ALPHABETS["numbers"],
    }


def _lettered(measured: MeasuredReranker, names: tuple[str, ...], load: Load) -> MeasuredReranker:
    """The reranker with other identifiers; loaded anew where its engine does not hold them."""
    if set(names) <= set(ours(measured).identifiers):
        return variant(measured, identifiers=names)
    return load({"identifiers": names})


def _span(names: Sequence[str]) -> str:
    return f"{names[0]} … {names[-1]}"
