import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import Refusal, ServiceError
from serve.keys import ApiKeys, digest_of

KEYS = ("first-key", "zweiter Schlüssel", "third")


def opened(keys: ApiKeys, header: str | None) -> bool:
    try:
        keys.check(header)
    except ServiceError as error:
        return error.refusal is not Refusal.UNAUTHORISED
    return True


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", ["Bearer {}", "bearer  {} ", "BEARER {}", "{}", " {}"])
def test_any_of_several_keys_opens(key: str, form: str) -> None:
    assert opened(ApiKeys(map(digest_of, KEYS)), form.format(key))


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer first-ke", "Basic first-key", "first-key2", "\udcff"],
)
def test_nothing_else_does(header: str | None) -> None:
    assert not opened(ApiKeys(map(digest_of, KEYS)), header)
    assert opened(ApiKeys(()), header)


@given(st.text())
def test_no_text_opens_by_chance(text: str) -> None:
    assert opened(ApiKeys(map(digest_of, KEYS)), text) == (text.strip() in KEYS)


def test_a_digest_does_not_open() -> None:
    digest = digest_of("key")
    assert digest == "sha256:" + hashlib.sha256(b"key").hexdigest()
    assert digest_of(digest) == digest
    assert not opened(ApiKeys([digest]), f"Bearer {digest}")


def test_every_key_is_compared_whichever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str | bytes, ...]] = []

    def counted(*values: bytes) -> bool:
        compared.append(values)
        return real(*values)

    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", counted)
    keys = ApiKeys(map(digest_of, KEYS))
    for header in (*KEYS, "none of them"):
        compared.clear()
        opened(keys, header)
        assert len(compared) == len(KEYS)
        assert {len(value) for values in compared for value in values} == {71}


def test_refusals_and_reprs_hold_no_key() -> None:
    keys = ApiKeys(map(digest_of, KEYS))
    with pytest.raises(ServiceError) as caught:
        keys.check("Bearer wrong-key")
    assert caught.value.status == 401
    for shown in (str(caught.value), repr(keys), repr(vars(keys))):
        assert not any(key in shown for key in (*KEYS, "wrong-key"))
