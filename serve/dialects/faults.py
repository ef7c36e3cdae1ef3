"""Error bodies: `message`, `detail` and `error` in each, as a dialect's clients read them.

Weaviate reads `message`; LlamaIndex, Haystack and Voyage `detail`; TEI's clients `error` as a
string, those of infinity, vLLM and llama.cpp as an object.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from serve.errors import Refusal


class ErrorBody(BaseModel):
    """What went wrong: the same sentence under every name that a client looks for it."""

    message: str = Field(examples=["query: expected a string"])
    detail: str | list[dict[str, Any]]
    error: str | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal on its way out: the HTTP status, and what it says."""

    status: int
    message: str


def with_string(fault: Fault) -> dict[str, Any]:
    """`error` is a string: Cohere, Voyage, Mixedbread."""
    return {"message": fault.message, "detail": fault.message, "error": fault.message}


def with_type(fault: Fault) -> dict[str, Any]:
    """`error` is a string with TEI's `error_type` beside it."""
    kinds = {429: "Overloaded", 503: "Unhealthy"}
    kind = kinds.get(fault.status, "Validation" if fault.status < 500 else "Backend")
    return {**with_string(fault), "error_type": kind}


def with_object(fault: Fault) -> dict[str, Any]:
    """`error` is OpenAI's object: vLLM, llama.cpp, SGLang."""
    error = {
        "message": fault.message,
        "type": _KINDS.get(fault.status, "InternalServerError"),
        "param": None,
        "code": fault.status,
    }
    return {"object": "error", **with_string(fault), "error": error}


def with_list(fault: Fault) -> dict[str, Any]:
    """As `with_object`, but infinity's client reads `detail` of a 422 as a list."""
    body = with_object(fault)
    if fault.status == Refusal.UNPROCESSABLE.value:
        body["detail"] = [{"loc": ["body"], "msg": fault.message, "type": "value_error"}]
    return body


_KINDS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    413: "RequestEntityTooLargeError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    503: "ServiceUnavailableError",
    504: "TimeoutError",
}
