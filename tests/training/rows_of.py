"""Rows for the tests: small ones, and any."""

from hypothesis import strategies as st

from reranker.passage import Passage
from training.row import Row

texts = st.text(max_size=12).map(lambda text: f"{text}.")
optional = st.none() | st.text(min_size=1, max_size=4)
passages = st.builds(Passage, texts, optional, optional)
grades = st.integers(0, 3).map(float)


@st.composite
def rows(draw: st.DrawFn, least: int = 1) -> Row:
    """Any row, trainable or not, of `least` to 8 passages."""
    count = draw(st.integers(least, 8))
    found = draw(st.lists(passages, min_size=count, max_size=count))
    relevance = draw(st.none() | st.lists(grades, min_size=count, max_size=count))
    order = draw(st.permutations(range(count)))
    ranking = draw(st.none() | st.integers(0, count).map(lambda named: tuple(order[:named])))
    return Row(draw(texts), tuple(found), None if relevance is None else tuple(relevance), ranking)


def row(name: str = "q", count: int = 4, positives: int = 1) -> Row:
    """A row of `count` passages, of which the first `positives` are relevant."""
    found = tuple(Passage(f"{name} passage {place}", f"{name}{place}") for place in range(count))
    return Row(name, found, tuple(float(place < positives) for place in range(count)))
