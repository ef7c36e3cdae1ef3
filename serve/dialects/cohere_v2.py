"""Cohere's `/v2/rerank`, and vLLM's on the same path; documents are never echoed."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from serve.dialects.answers import Meta, Usage, meta, places, priority_of, usage
from serve.dialects.dialect import Dialect
from serve.dialects.faults import with_string
from serve.dialects.fields import Body, Documents, Number, PassageTokens, RankFields, TopN, example
from serve.dialects.passages import read_passages
from serve.request import RerankRequest, RerankResponse


class CohereV2Body(Body):
    """A query and documents, as Cohere's `ClientV2` sends them."""

    model_config = example(model="default", top_n=2)

    documents: Annotated[Documents, Field(description="Strings, or objects with a text.")]
    rank_fields: RankFields = None
    top_n: TopN = None
    max_tokens_per_doc: PassageTokens = None
    priority: Annotated[
        Number | None, Field(description="0 is served first; what is larger waits as bulk.")
    ] = None

    def request(self) -> RerankRequest:
        """What the service is asked."""
        return RerankRequest(
            query=self.query,
            passages=read_passages("documents", self.documents, self.rank_fields),
            instruction=self.instruction,
            top_n=self.top_n or None,
            model=self.model,
            passage_tokens=self.max_tokens_per_doc or None,
            priority=priority_of(self.priority),
            timeout=self.timeout,
        )


class CohereV2Result(BaseModel):
    """A document's place in the request, and its score in [0, 1]."""

    index: int = Field(ge=0)
    relevance_score: float


class CohereV2Answer(BaseModel):
    """Results, best first."""

    id: str
    model: str
    results: list[CohereV2Result]
    meta: Meta
    usage: Usage


def write(body: CohereV2Body, response: RerankResponse) -> dict[str, Any]:
    """The answer; `model` and `usage` are vLLM's."""
    return {
        "id": response.id,
        "model": response.model,
        "results": places(response),
        "meta": meta(response, "2"),
        "usage": usage(response),
    }


COHERE_V2 = Dialect(
    name="Cohere v2",
    body=CohereV2Body,
    answer=CohereV2Answer,
    write=write,
    fault=with_string,
)
