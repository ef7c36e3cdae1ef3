"""Parts that several dialects' answers share: how they are written, and how documented."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from serve.request import Priority, RerankResponse


class Usage(BaseModel):
    """Tokens that went through the model, over all windows."""

    prompt_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)


class Meta(BaseModel):
    """Cohere's account of a request; `warnings` says what was cut."""

    api_version: dict[str, str]
    billed_units: dict[str, int]
    tokens: dict[str, int]
    warnings: list[str] | None = None


def usage(response: RerankResponse) -> dict[str, int]:
    """Tokens, as `Usage`."""
    return {"prompt_tokens": response.prompt_tokens, "total_tokens": response.prompt_tokens}


def meta(response: RerankResponse, version: str) -> dict[str, Any]:
    """Cohere's `Meta`; nothing is generated, so no token goes out."""
    body: dict[str, Any] = {
        "api_version": {"version": version},
        "billed_units": {"search_units": 1},
        "tokens": {"input_tokens": response.prompt_tokens, "output_tokens": 0},
    }
    if response.warnings:
        body["warnings"] = list(response.warnings)
    return body


def places(
    response: RerankResponse,
    documents: Sequence[object] | None = None,
    *,
    score: str = "relevance_score",
    document: str = "document",
) -> list[dict[str, Any]]:
    """The results, best first, under a dialect's names; with the documents that are to be echoed.

    A score is a float whatever it was, so that it is written `1.0`: OpenSearch reads no `1`.
    """
    found: list[dict[str, Any]] = [
        {"index": result.index, score: float(result.score)} for result in response.results
    ]
    if documents is not None:
        for entry in found:
            entry[document] = documents[entry["index"]]
    return found


def priority_of(number: int | None) -> Priority:
    """Cohere's and vLLM's numbers: 0 is served first, what is larger waits."""
    return Priority.BULK if number is not None and number > 0 else Priority.INTERACTIVE
