"""Documents as clients write them, read as passages."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reranker.errors import InputError
from reranker.passage import Passage, as_passages
from serve.errors import Refusal, ServiceError


def read_passages(
    name: str, documents: Sequence[str | Mapping[str, Any]], fields: Sequence[str] | None = None
) -> tuple[Passage, ...]:
    """Passages from strings and objects, in order.

    Args:
        name: the field that the documents came in, for the message.
        documents: strings, or objects with `text` (`id`, `title`) or the rank fields.
        fields: the rank fields: their values are read as YAML would have them, a line each.

    Raises:
        ServiceError: for an object without a text, or without any of the rank fields.
    """
    return tuple(_passage(f"{name}[{i}]", each, fields) for i, each in enumerate(documents))


def _passage(
    place: str, document: str | Mapping[str, Any], fields: Sequence[str] | None
) -> Passage:
    if isinstance(document, str):
        return Passage(document)
    if fields:
        return Passage(_joined(place, document, fields))
    try:
        return as_passages([document])[0]
    except InputError:
        raise ServiceError(
            Refusal.UNPROCESSABLE,
            f"{place}: found an object without a string under 'text' (or with a title that is no "
            "string); give its text as 'text', or name what is to be read in 'rank_fields'",
        ) from None


def _joined(place: str, document: Mapping[str, Any], fields: Sequence[str]) -> str:
    found = [name for name in fields if document.get(name) is not None]
    if not found:
        raise ServiceError(
            Refusal.UNPROCESSABLE, f"{place}: found an object with none of the rank_fields"
        )
    if len(fields) == 1:
        return _written(document[found[0]])
    return "\n".join(f"{name}: {_written(document[name])}" for name in found)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
