import json
from pathlib import Path

import pytest

from reranker.errors import SettingsError
from reranker.settings import FILE_NAME, Settings


def test_what_is_written_is_read(tmp_path: Path) -> None:
    settings = Settings(
        layout="suffix", identifiers=("x", "y"), template="body: b", window_tokens=9
    )
    settings.write(tmp_path)
    assert Settings.read(tmp_path) == settings
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_folder_without_settings(tmp_path: Path) -> None:
    assert Settings.read(tmp_path) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": 0}, "window must be a whole number of at least 1"),
        ({"window": 1, "stride": 1}, "at least 2"),
        ({"window": 5, "stride": 6}, "larger than window 5"),
        ({"passes": True}, "passes must be"),
        ({"passage_tokens": "9"}, "passage_tokens must be"),
        ({"window_tokens": -1}, "window_tokens must be"),
        ({"depth": 1}, r"unknown setting\(s\) \['depth'\]"),
        ({"layout": []}, r"unknown layout \[\]; known are listwise, suffix"),
        ({"strategy": "heap"}, "unknown strategy 'heap'; known are sliding, full, partition"),
        ({"template": 5}, "template must be YAML text, found int"),
        ({"identifiers": 7}, "identifiers must be"),
        ({"format": 2}, "format 2, this version reads format 1"),
    ],
)
def test_wrong_settings_are_named_with_their_file(
    tmp_path: Path, values: dict[str, object], message: str
) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(SettingsError, match=message) as caught:
        Settings.read(tmp_path)
    assert FILE_NAME in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_file_that_is_no_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError):
        Settings.read(tmp_path)
