"""Request bodies: how much is read of them, and what counts as JSON."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NoReturn

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import Refusal, ServiceError

_DEEPEST = 64
_MOST_VALUES = 200_000
# A string, open ones to the end, or a sign that comes with a value.
_TOKEN = re.compile(rb'[,\[{]|"[^"\\]*+(?:\\.[^"\\]*+)*+\\?(?:"|\Z)', re.DOTALL)


class BodyLimit:
    """ASGI middleware: no route reads more than `limit()` bytes of a body.

    Whoever reads on is told so by a `ServiceError`; what was announced as too long is not read.
    """

    def __init__(self, app: ASGIApp, limit: Callable[[], int]) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, its body counted as it comes."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        limit, size = self._limit(), 0

        async def counted() -> Message:
            nonlocal size
            if _announced(scope) > limit:
                raise _too_large(limit)
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise _too_large(limit)
            return message

        return await self._app(scope, counted, send)


def _announced(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"")
    return int(value) if value.isdigit() else 0


def _too_large(limit: int) -> ServiceError:
    return ServiceError(
        Refusal.BODY_TOO_LARGE,
        f"the body is larger than {limit} bytes; send fewer or shorter documents",
    )


def read_object(body: bytes, *, longest: int) -> dict[str, Any]:
    """A JSON object, as RFC 8259 has it and every reader understands it.

    Args:
        body: UTF-8.
        longest: the most elements of a list in it.

    Raises:
        ServiceError: MALFORMED, for no JSON, no object, a name that is given twice, a number that
            is not finite, or deep nesting; UNPROCESSABLE for a longer list, or very many values.
    """
    _check_values(body)
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_constant=_not_finite,
        )
    except (ValueError, RecursionError) as error:
        raise ServiceError(Refusal.MALFORMED, f"the body is not JSON: {_why(error)}") from None
    if not isinstance(value, dict):
        raise ServiceError(
            Refusal.MALFORMED, f"the body is a JSON {_kind(value)}; expected an object"
        )
    _check_lengths(value, longest)
    _check_depth(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice in an object")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


def _not_finite(name: str) -> NoReturn:
    raise ValueError(f"found {name}, which JSON has no number for")


def _why(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} at character {error.pos}"
        case UnicodeDecodeError():
            return f"byte {error.start} is not UTF-8"
        case RecursionError():
            return f"it is nested deeper than {_DEEPEST} levels"
        case _ if "digits" in str(error):
            return "a number has too many digits"
    return str(error)


def _kind(value: object) -> str:
    names = {list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _check_values(body: bytes) -> None:
    """Millions of tiny values take seconds to read; no request for a reranking has as many."""
    if sum(body.count(sign) for sign in (b",", b"[", b"{")) <= _MOST_VALUES:
        return
    # Many may stand in texts: a closer look, no longer than it takes to know.
    most = 2 * _MOST_VALUES
    if sum(1 for _ in islice(_TOKEN.finditer(body), most + 1)) > most:
        raise ServiceError(
            Refusal.UNPROCESSABLE,
            f"the body has more than {_MOST_VALUES} values; leave out what is not to be read",
        )


def _check_lengths(body: Mapping[str, Any], longest: int) -> None:
    for value in body.values():
        if isinstance(value, list) and len(value) > longest:
            raise ServiceError(
                Refusal.UNPROCESSABLE,
                f"a list has {len(value)} elements and may have {longest} (see /info): "
                "send the best documents of the first stage",
            )


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise ServiceError(Refusal.MALFORMED, f"the body is nested deeper than {_DEEPEST} levels")


def _children(node: object) -> Iterable[object]:
    nodes = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [each for each in nodes if isinstance(each, dict | list)]
