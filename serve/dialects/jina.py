"""Jina's, vLLM's and llama.cpp's contract, in a body that Cohere v1 and Voyage read as well.

A bare `{model, query, documents}` may come from any of them: `results` and `meta` serve Cohere
v1, `usage` Jina, and where no `top_n` tells otherwise `data` serves Voyage's readers (Weaviate,
LiteLLM). Documents are echoed unless refused, as Jina and vLLM do.
"""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from serve.dialects.answers import Meta, Usage, meta, places, priority_of, usage
from serve.dialects.dialect import Dialect
from serve.dialects.faults import with_object
from serve.dialects.fields import Body, Documents, Echo, Number, PassageTokens, TopN, example
from serve.dialects.passages import read_passages
from serve.request import RerankRequest, RerankResponse


class JinaBody(Body):
    """A query and documents, as Jina's, vLLM's and llama.cpp's clients send them."""

    model_config = example(model="default", top_n=1, return_documents=True)

    documents: Annotated[Documents, Field(description="Strings, or objects with a text.")]
    top_n: TopN = None
    return_documents: Echo = None
    max_tokens_per_doc: PassageTokens = None
    priority: Annotated[
        Number | None, Field(description="0 is served first; what is larger waits as bulk.")
    ] = None

    def request(self) -> RerankRequest:
        """What the service is asked."""
        return RerankRequest(
            query=self.query,
            passages=read_passages("documents", self.documents),
            instruction=self.instruction,
            top_n=self.top_n or None,
            model=self.model,
            passage_tokens=self.max_tokens_per_doc or None,
            priority=priority_of(self.priority),
            timeout=self.timeout,
        )


class JinaResult(BaseModel):
    """A document's place in the request, its score in [0, 1], and the document, an object."""

    index: int = Field(ge=0)
    relevance_score: float
    document: dict[str, Any] | None = None


class JinaAnswer(BaseModel):
    """Results, best first; `data` repeats them for Voyage's readers where no `top_n` came."""

    id: str
    model: str
    object: str
    results: list[JinaResult]
    data: list[JinaResult] | None = None
    meta: Meta
    usage: Usage


def as_object(document: str | dict[str, Any]) -> dict[str, Any]:
    """A document as these clients read it: an object, whatever came."""
    return {"text": document} if isinstance(document, str) else document


def write(body: JinaBody, response: RerankResponse) -> dict[str, Any]:
    """The answer that serves Jina, vLLM, llama.cpp, Cohere v1 and Voyage's bare requests."""
    echoed = None
    if body.return_documents is not False:
        echoed = [as_object(document) for document in body.documents]
    answer: dict[str, Any] = {
        "id": response.id,
        "model": response.model,
        "object": "list",
        "results": places(response, echoed),
        "meta": meta(response, "1"),
        "usage": usage(response),
    }
    if "top_n" not in body.model_fields_set:
        answer["data"] = places(response, echoed if body.return_documents else None)
    return answer


JINA = Dialect(
    name="Jina, vLLM, llama.cpp",
    body=JinaBody,
    answer=JinaAnswer,
    write=write,
    fault=with_object,
)
