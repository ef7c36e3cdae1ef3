import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.synthesis.cleaning import Cleaner, Fault, copies, tidied
from reranker.errors import InputError
from tests.data.synthesis.toy import FOXES


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        ('"who wrote Dune?"', "who wrote Dune?"),
        ("  1. who wrote\tDune? ", "who wrote Dune?"),
        ("(2) Query: “who wrote Dune?”", "who wrote Dune?"),
        ("**Search query 1:** who wrote Dune?", "who wrote Dune?"),
        ("- 'who wrote Dune?", "who wrote Dune?"),
        ('who said "to be or not to be"', 'who said "to be or not to be"'),
        ("3.5 mm jack plugs", "3.5 mm jack plugs"),
        ("question marks in Spanish", "question marks in Spanish"),
    ],
)
def test_an_answer_is_tidied(answer: str, query: str) -> None:
    assert tidied(answer) == query


@pytest.mark.parametrize(
    ("query", "copied"),
    [
        ("the quick brown fox", True),
        ("The quick, brown fox jumps over a fence?", True),
        ("a tale of foxes", True),
        ("the quick brown bear", False),
        ("which fox is quick and brown", False),
        ("the quick brown fox jumps and sleeps", False),
    ],
)
def test_a_copy_begins_as_its_passage_or_title(query: str, copied: bool) -> None:
    assert copies(query, FOXES) is copied


def test_every_fault_is_found() -> None:
    cleaner = Cleaner(least=5, most=30, known=["How to add?"])
    answers = [None, "fox", "?!?!?!?", "x" * 31, "the quick brown fox", "how to add"]
    found = [cleaner.query(answer, FOXES) for answer in [*answers, "Why foxes?", "why foxes"]]
    assert found == [
        Fault.UNFINISHED,
        Fault.SHORT,
        Fault.SHORT,
        Fault.LONG,
        Fault.COPIED,
        Fault.DUPLICATE,
        "Why foxes?",
        Fault.DUPLICATE,
    ]
    with pytest.raises(InputError):
        Cleaner(least=9, most=8)


@given(st.text(max_size=30))
def test_tidying_ends_and_is_done_once(answer: str) -> None:
    assert tidied(tidied(answer)) == tidied(answer)
