"""Rows: what training reads, a query with its candidates and how they are to be ordered.

On disk a row is one JSON object:

    {"query": …, "passages": […], "relevance": [2, 0, 1], "ranking": [0, 2, 1]}

Passages are strings or objects with `text` and, maybe, `id` and `title`. `relevance` holds one
grade a passage. `ranking` is a teacher's, best first, and may leave passages out: whole numbers
are places in `passages` from 0, strings are passage ids. Further queries over the same passages
may stand under `others`:

    "others": [{"query": …, "relevance": [0, 1, 0]}]

A layout that reads the query last answers all of them in one pass. Other keys are ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reranker.errors import InputError
from reranker.passage import Passage, as_passages
from training.checks import check_query, check_ranking, check_relevance, check_texts
from training.skips import Reason, RowError


@dataclass(frozen=True, slots=True)
class Judged:
    """A further query over a row's passages, with one grade of at least 0 a passage."""

    query: str
    relevance: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A query, its candidates, and their judgments, a teacher's ranking of them, or both.

    `relevance` has one grade of at least 0 a passage: from 1 on for a relevant one, between 0 and
    1 for a teacher's estimate. `ranking` has
    places in `passages`, from 0, best first; passages that it leaves out come after it. `others`
    are further queries over the same passages.

    Raises:
        RowError: where these do not fit together, or the query or a passage is blank.
    """

    query: str
    passages: tuple[Passage, ...]
    relevance: tuple[float, ...] | None = None
    ranking: tuple[int, ...] | None = None
    others: tuple[Judged, ...] = ()

    def __post_init__(self) -> None:
        check_texts(self.query, self.passages)
        for other in self.others:
            check_query(other.query)
            check_relevance(other.relevance, len(self.passages))
        if self.relevance is not None:
            check_relevance(self.relevance, len(self.passages))
        if self.ranking is not None:
            check_ranking(self.ranking, len(self.passages))

    @property
    def positives(self) -> tuple[int, ...]:
        """Places of the relevant passages; where none is known to be, those the teacher ranked."""
        grades = self.relevance or ()
        least = 1.0 if max(grades, default=0.0) >= 1 else 0.0
        relevant = tuple(i for i, grade in enumerate(grades) if grade >= least and grade > 0)
        return relevant or self.ranking or ()

    def labels(self) -> tuple[float, ...]:
        """Graded labels, `(passages,)`: the more, the better the passage.

        Relevance comes first. The teacher's ranking orders passages of equal relevance, by at
        most half the smallest step between two grades, so that it never lifts a passage over
        one of a higher grade; passages that it leaves out get nothing. Where there is no
        relevance the labels are the teacher's alone, evenly from 1 for its best down to 0 for
        those left out.
        """
        labels = list(self.relevance or [0.0] * len(self.passages))
        share = _smallest_step(labels) / 2 if self.relevance else 1.0
        ranking = self.ranking or ()
        for rank, place in enumerate(ranking):
            labels[place] += share * ((len(ranking) - rank) / len(ranking))
        return tuple(labels)

    def take(self, places: Sequence[int]) -> "Row":
        """The row with the passages at these places alone, in this order."""
        moved = {int(place): new for new, place in enumerate(places)}
        return Row(
            self.query,
            tuple(self.passages[place] for place in moved),
            self.relevance and tuple(self.relevance[place] for place in moved),
            None
            if self.ranking is None
            else tuple(moved[place] for place in self.ranking if place in moved),
            tuple(
                Judged(other.query, tuple(other.relevance[place] for place in moved))
                for other in self.others
            ),
        )

    def check_trainable(self) -> None:
        """Check that the row prefers some passage to another.

        Raises:
            RowError: where it has no labels, no positive or nothing but positives.
        """
        if self.relevance is None and not self.ranking:
            raise RowError(
                "the row has neither 'relevance' nor 'ranking'; judge it, or let a teacher rank it",
                Reason.UNLABELLED,
            )
        if not self.positives:
            raise RowError(
                f"none of the row's {len(self.passages)} passages has a relevance above 0 and no "
                "teacher ranked them, so there is nothing to learn; add a positive or drop the row",
                Reason.NO_POSITIVE,
            )
        if len(set(self.labels())) < 2:
            raise RowError(
                f"the row's {len(self.passages)} passage(s) are all equally good, so there is "
                "nothing to learn; add a negative or drop the row",
                Reason.NO_NEGATIVE,
            )

    def as_dict(self) -> dict[str, object]:
        """The row as JSON has it, without what it does not have."""
        labels = {"relevance": self.relevance, "ranking": self.ranking}
        return {
            "query": self.query,
            "passages": [_without_none(_passage_dict(passage)) for passage in self.passages],
            **{key: list(value) for key, value in labels.items() if value is not None},
            **({"others": [_other_dict(other) for other in self.others]} if self.others else {}),
        }

    @classmethod
    def parse(cls, values: object) -> "Row":
        """A row from parsed JSON.

        Raises:
            RowError: for a value that is no row.
        """
        if not isinstance(values, Mapping) or not {"query", "passages"} <= set(values):
            found = f"keys {list(values)[:8]}" if isinstance(values, Mapping) else repr(values)[:60]
            raise RowError(
                f"expected an object with 'query' and 'passages', found {found}; convert other "
                "formats with python -m training.convert"
            )
        passages = parse_passages(values["passages"])
        relevance, ranking = values.get("relevance"), values.get("ranking")
        return cls(
            values["query"],
            passages,
            None if relevance is None else parse_relevance(relevance),
            None if ranking is None else _parse_ranking(ranking, passages),
            _parse_others(values.get("others") or []),
        )


def parse_passages(values: object) -> tuple[Passage, ...]:
    """Passages from strings or objects.

    Raises:
        RowError: for anything else.
    """
    try:
        return tuple(as_passages(values))  # type: ignore[arg-type]
    except InputError as error:
        raise RowError(str(error)) from error


def parse_relevance(values: object) -> tuple[float, ...]:
    """Grades from a list of numbers.

    Raises:
        RowError: for anything else.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(v, int | float) for v in values):
        raise RowError(f"expected a list of numbers as relevance, found {repr(values)[:60]}")
    try:
        return tuple(map(float, values))
    except OverflowError:
        raise RowError("a relevance is too large for a float; give grades such as 0 to 3") from None


def _parse_others(values: object) -> tuple[Judged, ...]:
    if not isinstance(values, list) or not all(
        isinstance(value, Mapping) and {"query", "relevance"} <= set(value) for value in values
    ):
        raise RowError(
            "expected a list of objects with 'query' and 'relevance' as others, found "
            f"{repr(values)[:60]}"
        )
    return tuple(Judged(v["query"], parse_relevance(v["relevance"])) for v in values)


def _parse_ranking(values: object, passages: Sequence[Passage]) -> tuple[int, ...]:
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return _places(values, [passage.id for passage in passages])
    if not isinstance(values, list | tuple):
        raise RowError(f"expected a list as ranking, found {repr(values)[:60]}")
    return tuple(values)


def _places(ranked: Sequence[str], ids: Sequence[str | None]) -> tuple[int, ...]:
    places = {id_: place for place, id_ in enumerate(ids)}
    for id_ in ranked:
        if (times := ids.count(id_)) != 1:
            raise RowError(
                f"the ranking names passage {id_!r}, which {times} of the row's passages have as "
                "'id'; name each once, or give places from 0 as whole numbers"
            )
    return tuple(places[id_] for id_ in ranked)


def _smallest_step(grades: Sequence[float]) -> float:
    distinct = sorted(set(grades))
    return min((b - a for a, b in pairwise(distinct)), default=1.0)


def _passage_dict(passage: Passage) -> dict[str, str | None]:
    return {"id": passage.id, "title": passage.title, "text": passage.text}


def _other_dict(other: Judged) -> dict[str, object]:
    return {"query": other.query, "relevance": list(other.relevance)}


def _without_none(values: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value is not None}
