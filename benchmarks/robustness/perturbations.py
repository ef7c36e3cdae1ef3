"""Near-duplicates: a passage beside copies of itself, exact or slightly edited."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.robustness.trials import Bench, Trial
from reranker.passage import Passage

_EVERY = 10


@dataclass(frozen=True, slots=True)
class Duplication:
    """How often a passage is repeated, and what is done to the text of each copy."""

    name: str
    copies: int
    edit: Callable[[str], str] = str


def edited(text: str) -> str:
    """A text without every tenth word; without its last one where it has fewer."""
    words = text.split()
    kept = [word for place, word in enumerate(words, 1) if place % _EVERY]
    return " ".join(kept if len(words) >= _EVERY else words[:-1] or words)


DUPLICATIONS = (
    Duplication("one copy", 1),
    Duplication("three copies", 3),
    Duplication("one copy without every tenth word", 1, edited),
)


def duplicated(
    passages: Sequence[Passage], place: int, duplication: Duplication
) -> tuple[Passage, ...]:
    """The candidates with copies right after the passage at `place`.

    There a first stage would put them, which scores them alike. The last candidates make room.
    """
    original = passages[place]
    text = duplication.edit(original.text)
    copies = (
        Passage(text, copy_id(str(original.id), number), original.title)
        for number in range(1, duplication.copies + 1)
    )
    return (*passages[: place + 1], *copies, *passages[place + 1 :])[: len(passages)]


def copy_id(id_: str, number: int) -> str:
    """The id of a passage's copy."""
    return f"{id_} copy {number}"


def duplication_trials(bench: Bench, relevant_from: int) -> list[Trial]:
    """Each query's first relevant candidate duplicated in every way.

    Queries without one, or with one so low that its copies would not fit below, have no trials.
    """
    most = max(duplication.copies for duplication in DUPLICATIONS)
    trials: list[Trial] = []
    for query_id, passages in bench.candidates.items():
        grades = bench.grades(query_id)
        relevant = [grades.get(str(p.id), 0) >= relevant_from for p in passages[: -most or None]]
        if True in relevant:
            place = relevant.index(True)
            trials += [
                Trial(
                    each.name, query_id, duplicated(passages, place, each), str(passages[place].id)
                )
                for each in DUPLICATIONS
            ]
    return trials
