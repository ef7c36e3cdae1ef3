"""Mixedbread's `/v1/reranking`: `input` in, `data` out."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from serve.dialects.answers import Usage, places, usage
from serve.dialects.dialect import Dialect
from serve.dialects.faults import with_string
from serve.dialects.fields import Body, Documents, Echo, RankFields, TopN, example
from serve.dialects.passages import read_passages
from serve.request import RerankRequest, RerankResponse


class MixedbreadBody(Body):
    """A query and inputs, strings or objects, as Mixedbread's client sends them."""

    model_config = example("input", model="default", top_k=1, return_input=True)

    input: Annotated[Documents, Field(description="Strings, or objects with the rank fields.")]
    rank_fields: RankFields = None
    top_k: TopN = None
    return_input: Echo = None

    def request(self) -> RerankRequest:
        """What the service is asked."""
        return RerankRequest(
            query=self.query,
            passages=read_passages("input", self.input, self.rank_fields),
            instruction=self.instruction,
            top_n=self.top_k or None,
            model=self.model,
            timeout=self.timeout,
        )


class MixedbreadResult(BaseModel):
    """An input's place in the request, its score, and the input, if it was asked for."""

    object: Literal["rank_result"]
    index: int = Field(ge=0)
    score: float
    input: str | dict[str, Any] | None = None


class MixedbreadAnswer(BaseModel):
    """Results, best first, under `data`; `top_k` is how many there are."""

    object: Literal["list"]
    model: str
    data: list[MixedbreadResult]
    usage: Usage
    top_k: int = Field(ge=0)
    return_input: bool


def write(body: MixedbreadBody, response: RerankResponse) -> dict[str, Any]:
    """The answer."""
    echoed = body.input if body.return_input else None
    found = places(response, echoed, score="score", document="input")
    return {
        "object": "list",
        "model": response.model,
        "data": [{"object": "rank_result", **entry} for entry in found],
        "usage": usage(response),
        "top_k": len(found),
        "return_input": body.return_input is True,
    }


MIXEDBREAD = Dialect(
    name="Mixedbread",
    body=MixedbreadBody,
    answer=MixedbreadAnswer,
    write=write,
    fault=with_string,
    marks=frozenset({"input"}),
)
