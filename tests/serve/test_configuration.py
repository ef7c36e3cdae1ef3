import pytest

from reranker.errors import SettingsError
from serve.configuration import read_limits, read_settings
from serve.settings import Limits, ServeSettings


def test_limits_take_the_place_of_those_that_are_given() -> None:
    base = Limits(max_documents=7, ageing_s=3.0)
    assert read_limits({}, base) == base
    assert read_limits({"max_documents": 9}, base) == Limits(max_documents=9, ageing_s=3.0)


def test_limits_that_make_no_sense_are_told() -> None:
    with pytest.raises(SettingsError, match=r"max_documents: .*max_docs: .*it takes max_body"):
        read_limits({"max_documents": 0, "max_docs": 5}, Limits())
    with pytest.raises(SettingsError, match=r"all: .*raise max_queued_tokens"):
        read_limits({"max_queued_tokens": 5}, Limits())


def test_settings_that_are_given_come_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RERANKER_SERVE_MODEL", "of/environment")
    assert read_settings(model=None).model == "of/environment"
    assert read_settings(model="given") == ServeSettings(model="given")


def test_settings_that_make_no_sense_are_told_without_what_stood_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RERANKER_SERVE_MAX_ADAPTERS", "a-secret")
    with pytest.raises(SettingsError, match="max_adapters: ") as caught:
        read_settings()
    assert "a-secret" not in str(caught.value)
