"""infinity's `/rerank`: as Cohere v1, but a document comes back as a string.

Its own client always sends `raw_scores`. LiteLLM's does not, and its bare request cannot be told
from vLLM's, whose readers want an object: give it the address with `/infinity` behind.
"""

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from serve.dialects.answers import Usage, places, usage
from serve.dialects.dialect import Dialect
from serve.dialects.faults import with_list
from serve.dialects.fields import Body, Echo, RawScores, Texts, TopN, example
from serve.dialects.passages import read_passages
from serve.request import RerankRequest, RerankResponse

_NO_MODEL = "default/not-specified"


class InfinityBody(Body):
    """A query and documents, as infinity's client sends them."""

    model_config = example(raw_scores=False, return_documents=True)

    documents: Annotated[Texts, Field(description="Strings.")]
    top_n: TopN = None
    return_documents: Echo = None
    raw_scores: RawScores = None

    def request(self) -> RerankRequest:
        """What the service is asked."""
        return RerankRequest(
            query=self.query,
            passages=read_passages("documents", self.documents),
            instruction=self.instruction,
            top_n=self.top_n or None,
            model=None if self.model == _NO_MODEL else self.model,
            raw_scores=self.raw_scores is True,
            timeout=self.timeout,
        )


class InfinityResult(BaseModel):
    """A document's place in the request, its score, and the document, if it was asked for."""

    index: int = Field(ge=0)
    relevance_score: float
    document: str | None = None


class InfinityAnswer(BaseModel):
    """Results, best first."""

    object: Literal["rerank"]
    id: str
    model: str
    created: int
    results: list[InfinityResult]
    usage: Usage


def write(body: InfinityBody, response: RerankResponse) -> dict[str, Any]:
    """The answer; `created` is in seconds since 1970."""
    return {
        "object": "rerank",
        "id": response.id,
        "model": response.model,
        "created": int(time.time()),
        "results": places(response, body.documents if body.return_documents else None),
        "usage": usage(response),
    }


INFINITY = Dialect(
    name="infinity",
    body=InfinityBody,
    answer=InfinityAnswer,
    write=write,
    fault=with_list,
    marks=frozenset({"raw_scores"}),
)
