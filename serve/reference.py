"""The settings' reference, out of their own descriptions: `python -m serve.reference`.

`docs/operations.md` takes it in; see `make docs`.
"""

import json
import sys
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from serve.settings import NESTED, PREFIX, ServeSettings


def reference() -> str:
    """A table in Markdown: every setting's variable, default and meaning."""
    rows = ["| variable | default | means |", "|---|---|---|", *_rows(ServeSettings, PREFIX)]
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = prefix + name.upper()
        nested = _nested(field)
        meaning = " ".join((field.description or "").split())
        yield f"| `{variable}` | {_default(field)} | {meaning} |"
        if nested is not None:
            yield from _rows(nested, variable + NESTED)


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return "as below"
    if default is None or default in ((), {}):
        return "none"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
