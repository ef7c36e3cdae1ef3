"""The same candidates in any order: the same scores and the same ranking, over many windows too."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reranker.checkpoint import Checkpoint
from reranker.passage import Passage
from reranker.reranker import Reranker
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer

TEXTS = [f"{'word ' * (number % 4)}passage {number}" for number in range(13)]


def reranker(**options):
    tokenizer = tiny_tokenizer()
    made = Settings(window=4, stride=2, **options)
    return Reranker(Checkpoint("tiny", tiny_model(tokenizer), tokenizer, made))


@pytest.fixture(scope="module", params=["blocks", "cross", "set"])
def layout(request):
    return request.param


@pytest.fixture(scope="module", params=["partition", "sliding"])
def apart(request, layout):
    return reranker(layout=layout, strategy=request.param)


def ranked(model, texts):
    return [(item.passage.text, item.score) for item in model.rank("query", texts)]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(TEXTS))
def test_where_passages_are_read_apart_nothing_depends_on_their_order(apart, texts):
    found, expected = ranked(apart, texts), ranked(apart, TEXTS)
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected])


def test_the_prior_is_the_order_that_they_come_in():
    model = reranker(layout="cross", strategy="partition", prior=50.0)
    for texts in (TEXTS, TEXTS[::-1]):
        assert [text for text, _ in ranked(model, texts)] == texts


def test_plans_are_of_the_windows_that_are_read():
    model = reranker(layout="cross", strategy="partition")
    plans = [
        model.plan(model.encode("query", [Passage(text) for text in texts]))
        for texts in (TEXTS, TEXTS[::-1])
    ]
    assert plans[0] == plans[1]
