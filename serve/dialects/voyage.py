"""Voyage's `/v1/rerank`: `top_k` in, `data` out."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from serve.dialects.answers import Usage, places, usage
from serve.dialects.dialect import Dialect
from serve.dialects.faults import with_string
from serve.dialects.fields import Body, Echo, Texts, TopN, Truncate, example
from serve.dialects.passages import read_passages
from serve.request import RerankRequest, RerankResponse


class VoyageBody(Body):
    """A query and documents, as Voyage's client sends them."""

    model_config = example(model="default", top_k=1, truncation=True)

    documents: Annotated[Texts, Field(description="Strings.")]
    top_k: TopN = None
    truncation: Truncate = None
    return_documents: Echo = None

    def request(self) -> RerankRequest:
        """What the service is asked."""
        return RerankRequest(
            query=self.query,
            passages=read_passages("documents", self.documents),
            instruction=self.instruction,
            top_n=self.top_k or None,
            model=self.model,
            truncate=self.truncation is not False,
            timeout=self.timeout,
        )


class VoyageResult(BaseModel):
    """A document's place in the request, its score, and the document, if it was asked for."""

    index: int = Field(ge=0)
    relevance_score: float
    document: str | None = None


class VoyageAnswer(BaseModel):
    """Results, best first, under `data`."""

    object: Literal["list"]
    data: list[VoyageResult]
    model: str
    usage: Usage


def write(body: VoyageBody, response: RerankResponse) -> dict[str, Any]:
    """The answer."""
    return {
        "object": "list",
        "data": places(response, body.documents if body.return_documents else None),
        "model": response.model,
        "usage": usage(response),
    }


VOYAGE = Dialect(
    name="Voyage",
    body=VoyageBody,
    answer=VoyageAnswer,
    write=write,
    fault=with_string,
    marks=frozenset({"top_k", "truncation"}),
)
