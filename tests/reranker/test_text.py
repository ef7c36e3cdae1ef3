import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.text import clean


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        (" a\n\n b\t", "a b"),
        ("a\x00b\x1bc\x85d", "a b c d"),
        ("a\ud800b", "a\ufffdb"),
        ("a\u200fb", "a\u200fb"),
        ("\u3000x\u2028y", "x y"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text(st.characters()))
def test_clean_twice_is_clean_once_and_encodes(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    once.encode("utf-8")
    assert "\n" not in once
