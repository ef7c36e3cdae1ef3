"""Prompt templates in RankLLM's YAML format, so that public checkpoints read what they know.

Keys: `method` (`listwise`, `singleturn_listwise` or `multiturn_listwise`), `system_message`,
`prefix`, `body`, `suffix` and, for several turns, `prefix_user`, `prefix_assistant`,
`body_user`, `body_assistant`, `suffix_user`; fields `{num}`, `{query}`, `{rank}`,
`{candidate}`. The output patterns are not needed, since nothing is generated.
"""

from pathlib import Path

import yaml

from reranker.errors import SettingsError
from reranker.layouts import Layout

_METHODS = ("listwise", "singleturn_listwise", "multiturn_listwise")
_FIELDS = {"{rank}": "{identifier}", "{candidate}": "{passage}"}


def read_template(path: str | Path) -> str:
    """The text of a template file, checked.

    Raises:
        SettingsError: for a file that is not there or is no such template.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the template {path}: {error}") from error
    parse_template(text, name=path.stem)
    return text


def parse_template(text: str, *, name: str = "template") -> Layout:
    """The layout that a template's YAML text describes.

    Raises:
        SettingsError: for YAML that is none, a pointwise or pairwise method, unknown fields.
    """
    values = _parse_yaml(text, name)
    method = values.get("method", "listwise")
    if method not in _METHODS:
        raise SettingsError(f"template {name!r} has method {method!r}; expected one of {_METHODS}")
    body = _text(values, "body", "body_user")
    if not body:
        raise SettingsError(f"template {name!r} has no 'body'; it needs '[{{rank}}] {{candidate}}'")
    return Layout(
        name=name,
        system=_text(values, "system_message"),
        prefix=_text(values, "prefix", "prefix_user"),
        prefix_reply=_text(values, "prefix_assistant"),
        body=body + "\n" if method == "listwise" and not body.endswith("\n") else body,
        body_reply=_text(values, "body_assistant"),
        closing=_text(values, "suffix", "suffix_user"),
    )


def _parse_yaml(text: str, name: str) -> dict[str, object]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"template {name!r} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"template {name!r} must be a mapping, found {type(values).__name__}")
    return values


def _text(values: dict[str, object], *keys: str) -> str:
    text = next((str(values[key]) for key in keys if values.get(key)), "")
    for theirs, ours in _FIELDS.items():
        text = text.replace(theirs, ours)
    return text
