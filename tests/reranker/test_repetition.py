import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker import Reranker
from reranker.errors import SettingsError
from reranker.repetition import repetition, without
from reranker.settings import Settings

QUERY = "Who wrote Dune?"
WORDS = st.lists(st.sampled_from(["a", "b", "c", "ß", "who", "12", "Ä"]), min_size=3, max_size=6)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("who wrote dune", "_"),
        ("FAQ: WHO WROTE DUNE? Herbert did.", "FAQ: _? Herbert did."),
        ("who\n\n--wrote...\tDune, who wrote Dune", "_, _"),
        ("They know who wrote Dunes.", "They know who wrote Dunes."),
        ("who else wrote Dune", "who else wrote Dune"),
        ("wrote Dune who", "wrote Dune who"),
        ("", ""),
    ],
)
def test_the_query_is_taken_out_whatever_stands_between_its_words(text: str, left: str) -> None:
    assert without(QUERY)(text) == left


@pytest.mark.parametrize("query", ["dune", "Frank Herbert", "?", ""])
def test_a_query_of_few_words_stays(query: str) -> None:
    assert without(query)("dune, by Frank Herbert?") == "dune, by Frank Herbert?"


@given(WORDS, st.lists(st.sampled_from(["a", "b", "c", "ß", "who", "12", "Ä", "-", "."])))
def test_nothing_that_is_left_is_a_repetition(words: list[str], text: list[str]) -> None:
    query = " ".join(words)
    assert not repetition(query).search(without(query)(" ".join([*text, *words, *text])))


def test_repetitions_within_repetitions_do_not_add_up() -> None:
    assert without(QUERY)("who who wrote dune wrote dune") == "who _ wrote dune"


@pytest.mark.parametrize("text", ["who" + " " * 10**6, "who " * 10**6, "who wrote " * 10**6])
def test_hostile_texts_take_no_longer(text: str) -> None:
    start = time.perf_counter()
    without(QUERY)(text)
    # Read twice for every word it would be hours.
    assert time.perf_counter() - start < 30


def test_a_query_of_any_length_is_no_error() -> None:
    query = "so long a query (with signs) " * 10_000
    assert without(query)("so long") == "so long"


def test_a_passage_that_repeats_the_query_is_read_without_it(reranker: Reranker) -> None:
    passages = [f"the text of number {n}" for n in range(4)]
    guarded = reranker.with_settings(cut_query=True)
    attacked, read = ([*passages, f"asked: {put}"] for put in (QUERY, "_?"))
    assert _scores(guarded, attacked) == _scores(reranker, read)
    assert _scores(guarded, passages) == _scores(reranker, passages)
    assert _scores(guarded, attacked) != _scores(reranker, attacked)


def test_it_is_a_flag() -> None:
    with pytest.raises(SettingsError, match="cut_query must be true or false, found 'yes'"):
        Settings(cut_query="yes")  # type: ignore[arg-type]


def _scores(reranker: Reranker, passages: list[str]) -> list[tuple[int, float]]:
    return [(passage.index, passage.score) for passage in reranker.rank(QUERY, passages)]
