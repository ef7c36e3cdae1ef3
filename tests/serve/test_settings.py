import pytest
from pydantic import ValidationError

from serve.keys import digest_of
from serve.settings import Limits, ServeSettings


def test_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MODEL": "some/model",
        "ADAPTERS": '{"legal": "/adapters/legal"}',
        "LIMITS__MAX_DOCUMENTS": "7",
        "LIMITS__AGEING_S": "2.5",
        "OVERRIDES": '{"window": 10, "strategy": "full", "identifiers": ["A", "B"]}',
        "OVERRIDES__STRIDE": "4",
        "API_KEYS": "one, two,sha256:" + "0" * 64,
        "CORS_ORIGINS": '["https://example.org"]',
        "OTEL": "true",
    }.items():
        monkeypatch.setenv(f"RERANKER_SERVE_{name}", value)
    settings = ServeSettings()
    assert settings.model == "some/model"
    assert settings.adapters == {"legal": "/adapters/legal"}
    assert settings.limits == Limits(max_documents=7, ageing_s=2.5)
    assert settings.overrides == {
        "window": 10,
        "stride": 4,
        "strategy": "full",
        "identifiers": ["A", "B"],
    }
    assert settings.api_keys == (digest_of("one"), digest_of("two"), "sha256:" + "0" * 64)
    assert settings.cors_origins == ("https://example.org",)
    assert settings.otel


def test_defaults_need_nothing() -> None:
    settings = ServeSettings()
    assert settings.limits == Limits()
    assert settings.api_keys == ()
    assert settings.cors_origins == ()
    assert not settings.otel


def test_keys_are_neither_held_nor_shown() -> None:
    settings = ServeSettings(api_keys=("plain-key",))
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "plain-key" not in shown
    assert "api_keys" not in repr(settings)
    with pytest.raises(ValidationError) as caught:
        ServeSettings(api_keys={"plain-key": 1})  # type: ignore[arg-type]
    assert "plain-key" not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        ServeSettings(api_keys=("plain-key",), model=5)  # type: ignore[arg-type]
    assert "plain-key" not in str(caught.value)


def test_they_do_not_change() -> None:
    with pytest.raises(ValidationError):
        ServeSettings().model = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Limits().max_documents = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        {"max_documents": 0},
        {"max_queued_s": float("inf")},
        {"default_timeout_s": -1},
        {"max_docs": 5},
        {"max_request_tokens": 100, "max_queued_tokens": 99},
    ],
)
def test_limits_that_make_no_sense(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate(values)


def test_an_unknown_override_is_named() -> None:
    with pytest.raises(ValidationError, match=r"unknown setting.*windwo.*known are.*window"):
        ServeSettings(overrides={"windwo": 5})


def test_overrides_may_be_fractions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKER_SERVE_OVERRIDES", '{"prior": 0.05, "window": 7}')
    monkeypatch.setenv("RERANKER_SERVE_OVERRIDES__LIKELIHOOD", "0.5")
    found = ServeSettings().overrides
    assert found == {"prior": 0.05, "window": 7, "likelihood": 0.5}
    assert [type(found[name]) for name in ("prior", "window", "likelihood")] == [float, int, float]


@pytest.mark.parametrize("overrides", [{"absolute": False}, {"frozen_passages": True}])
def test_what_a_reranker_does_not_take_is_no_override(overrides: dict[str, bool]) -> None:
    with pytest.raises(ValidationError, match=r"unknown setting.*as it was trained"):
        ServeSettings(overrides=overrides)


@pytest.mark.parametrize("keys", ["", ",", " , "])
def test_keys_that_hold_none_leave_nothing_open(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKER_SERVE_API_KEYS", keys)
    with pytest.raises(ValidationError, match="holds no key; unset it"):
        ServeSettings()
