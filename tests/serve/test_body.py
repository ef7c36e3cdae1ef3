import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.body import read_object
from serve.errors import Refusal, ServiceError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_an_object_is_read_as_it_was_written(value):
    assert read_object(json.dumps(value).encode(), longest=100) == value


@given(st.binary(max_size=200))
def test_whatever_else_is_sent_is_refused(body):
    try:
        json.loads(body.decode("utf-8-sig"))["a"]
    except (ValueError, KeyError, TypeError, IndexError):
        with pytest.raises(ServiceError):
            read_object(body, longest=100)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "Expecting value at character 0"),
        (b"{", "at character 1"),
        (b"\xff{}", "byte 0 is not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "is not UTF-8"),
        (b"[1]", "JSON list; expected an object"),
        (b"null", "JSON null"),
        (b"1.5", "JSON number"),
        (b"true", "JSON boolean"),
        (b'"secret"', "JSON string"),
        (b'{"secret": 1, "secret": 2}', "a name is given twice"),
        (b'{"a": NaN}', "found NaN"),
        (b'{"a": -Infinity}', "found -Infinity"),
        (b'{"a": 1e999}', "a number is too large"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "too many digits"),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "deeper than 64 levels"),
        (b'{"a": ' + b'{"a":' * 100_000, "deeper than 64 levels"),
    ],
)
def test_what_is_malformed_is_named_and_not_repeated(body, said):
    with pytest.raises(ServiceError, match=said) as caught:
        read_object(body, longest=100)
    assert caught.value.refusal is Refusal.MALFORMED
    assert "secret" not in str(caught.value)


def test_a_byte_order_mark_is_passed_over():
    assert read_object(b"\xef\xbb\xbf{}", longest=1) == {}


def test_64_levels_are_not_too_deep():
    nested = b'{"a": ' + b"[" * 63 + b"]" * 63 + b"}"
    assert set(read_object(nested, longest=1)) == {"a"}


def test_a_long_list_is_refused_before_it_is_read_closer():
    assert read_object(b'{"a": [1, 2]}', longest=2) == {"a": [1, 2]}
    with pytest.raises(ServiceError, match="has 3 elements and may have 2") as caught:
        read_object(b'{"a": [1, 2, 3]}', longest=2)
    assert caught.value.refusal is Refusal.UNPROCESSABLE


def many(value, count=400_100):
    return b'{"query": "a", "x": [' + b",".join([value] * count) + b"]}"


@pytest.mark.parametrize("value", [b"1", b"[]", b"{}", b'""', b'"a,b"'])
def test_very_many_values_are_refused_unread(value):
    with pytest.raises(ServiceError, match="more than 200000 values"):
        read_object(many(value), longest=1 << 30)


@pytest.mark.parametrize("text", ["," * 300_000, '\\"[' * 300_000, "{\n" * 300_000 + "\\"])
def test_signs_within_texts_are_no_values(text):
    body = json.dumps({"query": text})
    assert read_object(body.encode(), longest=1)["query"] == text


def test_an_open_string_does_not_hold_the_reader_up():
    for body in (b'"' + b'\\"' * 1_000_000, b'"\\', b"[" * 300_000 + b'"' + b"\\" * 1_000_001):
        with pytest.raises(ServiceError):
            read_object(body, longest=1)
