"""The OpenAPI description of the dialects: what each path takes and answers."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from serve.dialects import ALIASES
from serve.dialects.dialect import Dialect
from serve.dialects.faults import ErrorBody
from serve.dialects.fields import LONGEST

TIMEOUT_HEADER = "x-request-timeout-seconds"
_REF = "#/components/schemas/{model}"
_REFUSALS = {
    400: "The body is no JSON object.",
    401: "No API key, or one that is not known here.",
    404: "A model that is not served here.",
    413: "The body is larger than the limit in `/info`.",
    422: "A field is wrong, there are too many documents, or they are too long to be left uncut.",
    429: "Too much waits already.",
    499: "The client left.",
    500: "This request failed.",
    503: "Not ready, or stopping.",
    504: "The deadline passed.",
}
_RETRY = {
    "Retry-After": {
        "description": "Seconds after which it is worth trying again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def operation(dialects: tuple[Dialect[Any], ...]) -> dict[str, Any]:
    """What FastAPI cannot see of a path that reads its body by itself."""
    return {
        "parameters": [_timeout()],
        "requestBody": {
            "required": True,
            "content": _json([_schemas()[each.name][0] for each in dialects], _examples(dialects)),
        },
        "responses": {
            "200": {
                "description": "The documents' places in the request and their scores, best first.",
                "headers": {"Server-Timing": {"schema": {"type": "string"}}},
                "content": _json([_schemas()[each.name][1] for each in dialects]),
            },
            **refusals(_REFUSALS),
        },
    }


def refusals(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """The refusals of a path, as its `responses`."""
    return {
        str(status): {
            "description": _REFUSALS[status],
            "content": _json([_schemas()["error"][0]]),
            **({"headers": _RETRY} if status in (429, 503) else {}),
        }
        for status in statuses
    }


def components() -> dict[str, Any]:
    """Every schema that the operations refer to."""
    return _described()[1]


def _schemas() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    return _described()[0]


@cache
def _described() -> tuple[dict[str, tuple[dict[str, Any], dict[str, Any]]], dict[str, Any]]:
    every = {each.name: each for dialects in ALIASES.values() for each in dialects}
    bodies = [(name, "validation", TypeAdapter(each.body)) for name, each in every.items()]
    answers = [(name, "serialization", TypeAdapter(each.answer)) for name, each in every.items()]
    error = ("error", "validation", TypeAdapter(ErrorBody))
    found, definitions = TypeAdapter.json_schemas(
        [*bodies, *answers, error],  # type: ignore[list-item]
        ref_template=_REF,
    )
    schemas = {name: (found[name, "validation"], found[name, "serialization"]) for name in every}
    schemas["error"] = (found["error", "validation"],) * 2
    return schemas, definitions["$defs"]


def _json(schemas: list[dict[str, Any]], examples: dict[str, Any] | None = None) -> dict[str, Any]:
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"application/json": {"schema": schema, **({"examples": examples} if examples else {})}}


def _examples(dialects: tuple[Dialect[Any], ...]) -> dict[str, Any]:
    return {
        each.name: {"value": each.body.model_config["json_schema_extra"]["examples"][0]}
        for each in dialects
    }


def _timeout() -> dict[str, Any]:
    return {
        "name": TIMEOUT_HEADER,
        "in": "header",
        "required": False,
        "description": "As `timeout` in the body; the shorter one counts.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST},
    }
