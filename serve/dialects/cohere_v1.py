"""Cohere's `/v1/rerank`, told from the bare request by `rank_fields` or `max_chunks_per_doc`."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from serve.dialects.answers import Meta, Usage, meta, places, usage
from serve.dialects.dialect import Dialect
from serve.dialects.faults import with_string
from serve.dialects.fields import Body, Documents, Echo, RankFields, TopN, Whole, example
from serve.dialects.jina import JinaResult, as_object
from serve.dialects.passages import read_passages
from serve.request import RerankRequest, RerankResponse


class CohereV1Body(Body):
    """A query and documents, strings or objects, as Cohere's `Client` sends them."""

    model_config = example(
        rank_fields=["title", "text"], max_chunks_per_doc=10, return_documents=True
    )

    documents: Annotated[Documents, Field(description="Strings, or objects with the rank fields.")]
    rank_fields: RankFields = None
    top_n: TopN = None
    return_documents: Echo = None
    max_chunks_per_doc: Annotated[
        Whole | None, Field(description="Taken and left: a document is read in one piece.")
    ] = None

    def request(self) -> RerankRequest:
        """What the service is asked."""
        return RerankRequest(
            query=self.query,
            passages=read_passages("documents", self.documents, self.rank_fields),
            instruction=self.instruction,
            top_n=self.top_n or None,
            model=self.model,
            timeout=self.timeout,
        )


class CohereV1Answer(BaseModel):
    """Results, best first; the document as it came, if it was asked for."""

    id: str
    model: str
    results: list[JinaResult]
    meta: Meta
    usage: Usage


def write(body: CohereV1Body, response: RerankResponse) -> dict[str, Any]:
    """The answer; `model` and `usage` are for others that send the same keys."""
    echoed = [as_object(document) for document in body.documents] if body.return_documents else None
    return {
        "id": response.id,
        "model": response.model,
        "results": places(response, echoed),
        "meta": meta(response, "1"),
        "usage": usage(response),
    }


COHERE_V1 = Dialect(
    name="Cohere v1",
    body=CohereV1Body,
    answer=CohereV1Answer,
    write=write,
    fault=with_string,
    marks=frozenset({"rank_fields", "max_chunks_per_doc"}),
)
