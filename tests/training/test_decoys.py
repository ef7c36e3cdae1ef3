import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.encoder import Encoder
from reranker.errors import SettingsError
from reranker.passage import Passage
from reranker.prompter import Prompter
from reranker.settings import Settings
from tests.tiny import tiny_tokenizer
from training.decoys import with_decoy
from training.examples import Examples
from training.mixture import Mixture, Source
from training.recipe import Recipe
from training.row import Judged, Row
from training.window import Sizes

PASSAGES = tuple(Passage(f"text  of {place}\n" + "word " * 40, f"p{place}") for place in range(4))
ROW = Row("what is asked", PASSAGES, (0.0, 2.0, 0.3, 0.0), others=(Judged("else", (3, 0, 0, 0)),))


@given(st.integers(0, 10_000))
def test_one_of_the_worst_passages_repeats_a_query_and_nothing_else_changes(seed: int) -> None:
    found = with_decoy(ROW, np.random.default_rng(seed))
    [changed] = [place for place in range(4) if found.passages[place] != PASSAGES[place]]
    query = "else" if "else" in found.passages[changed].text else "what is asked"
    worst = {"what is asked": {0, 3}, "else": {1, 2, 3}}[query]
    assert changed in worst
    before, after = PASSAGES[changed], found.passages[changed]
    assert after.text.split(" ").count(query.split()[0]) == 1
    assert after.text.replace(f"{query} ", "", 1) == before.text
    assert (after.id, after.title) == (before.id, before.title)
    assert (found.relevance, found.others) == (ROW.relevance, ROW.others)


def test_every_query_and_place_comes_up_within_what_is_read() -> None:
    found = [with_decoy(ROW, np.random.default_rng(seed)) for seed in range(200)]
    places = [
        (place, text.index("else") if "else" in text else -1)
        for row in found
        for place, text in enumerate(passage.text for passage in row.passages)
        if text != PASSAGES[place].text
    ]
    assert {place for place, _ in places} == {0, 1, 2, 3}
    assert min(start for _, start in places if start >= 0) == 0
    assert max(len(PASSAGES[0].text[:start].split()) for _, start in places if start >= 0) <= 30


def test_where_no_passage_is_better_there_is_no_decoy() -> None:
    row = Row("q", PASSAGES, (1.0,) * 4)
    assert with_decoy(row, np.random.default_rng(0)) is row


def examples(decoys: float) -> Examples:
    prompter = Prompter(
        Encoder(tiny_tokenizer()), Settings(layout="suffix", passage_tokens=400), 8192
    )
    mixture = Mixture([Source([ROW])], sizes=Sizes(2, 4), identifiers=30)
    return Examples(mixture, prompter, lengths=Sizes(400, 400), count=40, decoys=decoys)


def test_a_share_of_the_windows_has_one_and_the_others_stay_what_they_were() -> None:
    none, some, every = ([*map(examples(share).__getitem__, range(40))] for share in (0, 0.5, 1))
    changed = [one != other for one, other in zip(none, some, strict=True)]
    assert 8 < sum(changed) < 32
    assert all(one != other for one, other in zip(none, every, strict=True))
    assert [one.branches[0].labels for one in every] == [one.branches[0].labels for one in none]


def test_a_recipe_asks_for_a_share() -> None:
    text = "data: [{path: rows.jsonl}]\n"
    assert Recipe.parse(text).decoys == 0
    assert Recipe.parse(text, ["decoys=0.1"]).decoys == 0.1
    with pytest.raises(SettingsError, match=r"share from 0 to 1, found 1\.5"):
        Recipe.parse(text, ["decoys=1.5"])
