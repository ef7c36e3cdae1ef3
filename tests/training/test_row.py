import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.errors import DataError
from reranker.passage import Passage
from tests.training.rows_of import rows
from training.row import Row
from training.skips import Reason, RowError

ABC = tuple(Passage(text, text) for text in "abc")


def test_parse_reads_every_way_to_write_passages_and_rankings() -> None:
    passages = [
        "x",
        {"id": "b", "text": "y", "title": "T"},
        {"_id": 3, "contents": "z", "title": ""},
    ]
    row = Row.parse({"query": "q", "passages": passages, "relevance": [2, 0, True], "qid": "1"})
    assert row.passages == (Passage("x"), Passage("y", "b", "T"), Passage("z", "3"))
    assert row.relevance == (2.0, 0.0, 1.0)
    by_place = Row.parse({"query": "q", "passages": passages, "ranking": [2, 1]})
    by_id = Row.parse({"query": "q", "passages": passages, "ranking": ["3", "b"]})
    assert by_place.ranking == by_id.ranking == (2, 1)


@pytest.mark.parametrize(
    ("values", "reason", "told"),
    [
        ([], Reason.MALFORMED, "expected an object"),
        ({"pos": []}, Reason.MALFORMED, "training.convert"),
        ({"query": "q", "passages": "text"}, Reason.MALFORMED, "wrap it in a list"),
        ({"query": "q", "passages": [1]}, Reason.MALFORMED, "passage 0 is int"),
        ({"query": 1, "passages": ["x"]}, Reason.MALFORMED, "string as query"),
        ({"query": " ", "passages": ["x"]}, Reason.EMPTY, "query is blank"),
        ({"query": "q", "passages": []}, Reason.EMPTY, "no passages"),
        ({"query": "q", "passages": ["x", "\n"]}, Reason.EMPTY, "passage 1 is blank"),
        ({"query": "q", "passages": ["x"], "relevance": 1}, Reason.MALFORMED, "list of numbers"),
        ({"query": "q", "passages": ["x"], "relevance": ["1"]}, Reason.MALFORMED, "numbers"),
        ({"query": "q", "passages": ["x"], "relevance": [1, 0]}, Reason.MALFORMED, "2 grades"),
        ({"query": "q", "passages": ["x"], "relevance": [-1]}, Reason.MALFORMED, "at least 0"),
        (
            {"query": "q", "passages": ["x"], "relevance": [float("nan")]},
            Reason.MALFORMED,
            "finite",
        ),
        ({"query": "q", "passages": ["x"], "relevance": [10**400]}, Reason.MALFORMED, "too large"),
        ({"query": "q", "passages": ["x"], "ranking": 0}, Reason.MALFORMED, "list as ranking"),
        ({"query": "q", "passages": ["x"], "ranking": [1]}, Reason.MALFORMED, "0 to 0"),
        ({"query": "q", "passages": ["x"], "ranking": [True]}, Reason.MALFORMED, "True"),
        ({"query": "q", "passages": ["x"], "ranking": [0, 0]}, Reason.MALFORMED, "twice"),
        ({"query": "q", "passages": ["x"], "ranking": ["n"]}, Reason.MALFORMED, "0 of the row's"),
        (
            {"query": "q", "passages": [{"id": "n", "text": t} for t in "xy"], "ranking": ["n"]},
            Reason.MALFORMED,
            "2 of the row's",
        ),
    ],
)
def test_parse_refuses(values: Any, reason: Reason, told: str) -> None:
    with pytest.raises(RowError, match=told) as caught:
        Row.parse(values)
    assert caught.value.reason is reason
    assert isinstance(caught.value, DataError)


def test_an_error_survives_pickling_and_takes_a_place() -> None:
    error = RowError("no", Reason.EMPTY).at("rows.jsonl:3")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.reason) == ("rows.jsonl:3: no", Reason.EMPTY)


@pytest.mark.parametrize(
    ("relevance", "ranking", "labels"),
    [
        ((2.0, 0.0, 1.0), None, (2.0, 0.0, 1.0)),
        (None, (2, 0, 1), (2 / 3, 1 / 3, 1.0)),
        (None, (1,), (0.0, 1.0, 0.0)),
        # Half of the smallest step, 1, is shared out evenly: 3/6, 2/6, 1/6.
        ((1.0, 0.0, 0.0), (1, 0, 2), (1 + 2 / 6, 3 / 6, 1 / 6)),
        ((0.4, 0.0, 0.2), (2,), (0.4, 0.0, 0.3)),
        ((0.0, 0.0, 0.0), (1, 0), (0.25, 0.5, 0.0)),
        (None, None, (0.0, 0.0, 0.0)),
    ],
)
def test_labels(
    relevance: tuple[float, ...] | None, ranking: tuple[int, ...] | None, labels: tuple[float, ...]
) -> None:
    assert Row("q", ABC, relevance, ranking).labels() == pytest.approx(labels)


@given(rows())
def test_labels_never_contradict_relevance_and_break_its_ties_by_the_ranking(row: Row) -> None:
    labels, grades = row.labels(), row.relevance or (0.0,) * len(row.passages)
    rank = {place: rank for rank, place in enumerate(row.ranking or ())}
    last = len(row.passages)
    keys = [(-grade, rank.get(place, last)) for place, grade in enumerate(grades)]
    for i, first in enumerate(keys):
        for j, second in enumerate(keys):
            assert (first < second) == (labels[i] > labels[j])


@given(rows(), st.data())
def test_taking_places_keeps_what_is_known_of_each_passage(row: Row, data: st.DataObject) -> None:
    places = data.draw(st.permutations(range(len(row.passages))))
    places = places[: data.draw(st.integers(1, len(places)))]
    taken = row.take(places)
    assert taken.passages == tuple(row.passages[place] for place in places)
    if row.relevance is not None:
        assert taken.relevance == tuple(row.relevance[place] for place in places)
    if row.ranking is not None and taken.ranking is not None:
        kept = [place for place in row.ranking if place in places]
        assert [places[place] for place in taken.ranking] == kept


@given(rows())
def test_a_row_reads_back_as_it_was(row: Row) -> None:
    assert Row.parse(row.as_dict()) == row


@pytest.mark.parametrize(
    ("relevance", "ranking", "reason"),
    [
        (None, None, Reason.UNLABELLED),
        (None, (), Reason.UNLABELLED),
        ((0.0, 0.0, 0.0), None, Reason.NO_POSITIVE),
        ((1.0, 1.0, 1.0), None, Reason.NO_NEGATIVE),
    ],
)
def test_check_trainable_refuses(
    relevance: tuple[float, ...] | None, ranking: tuple[int, ...] | None, reason: Reason
) -> None:
    with pytest.raises(RowError) as caught:
        Row("q", ABC, relevance, ranking).check_trainable()
    assert caught.value.reason is reason


def test_a_teacher_makes_a_row_trainable_that_judgments_do_not() -> None:
    for grade in (0.0, 1.0):
        row = Row("q", ABC, (grade,) * 3, (1, 0))
        row.check_trainable()
    assert Row("q", ABC, (0.0, 0.0, 0.0), (1, 0)).positives == (1, 0)
    assert Row("q", ABC, (0.0, 0.0, 2.0), (1, 0)).positives == (2,)
