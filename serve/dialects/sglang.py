"""SGLang's `/v1/rerank`: `instruct` in, a bare list out.

A bare request cannot be told from Jina's: give its readers the address with `/sglang` behind.
"""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from serve.dialects.answers import places, usage
from serve.dialects.dialect import Dialect
from serve.dialects.faults import with_object
from serve.dialects.fields import Body, Echo, Text, Texts, TopN, example
from serve.dialects.passages import read_passages
from serve.request import RerankRequest, RerankResponse


class SglangBody(Body):
    """A query and documents, as SGLang's clients send them."""

    model_config = example(instruct="Find the passage that explains how it is done.")

    documents: Annotated[Texts, Field(description="Strings.")]
    instruct: Annotated[Text | None, Field(description="As `instruction`.")] = None
    top_n: TopN = None
    return_documents: Echo = None

    def request(self) -> RerankRequest:
        """What the service is asked."""
        return RerankRequest(
            query=self.query,
            passages=read_passages("documents", self.documents),
            instruction=self.instruct if self.instruct is not None else self.instruction,
            top_n=self.top_n or None,
            model=self.model,
            timeout=self.timeout,
        )


class SglangResult(BaseModel):
    """A document's place in the request, its score, and the document unless refused."""

    index: int = Field(ge=0)
    score: float
    document: str | None = None
    meta_info: dict[str, Any]


def write(body: SglangBody, response: RerankResponse) -> list[dict[str, Any]]:
    """The answer, best first; the tokens are those of the whole request."""
    echoed = body.documents if body.return_documents is not False else None
    about = {"id": response.id, "prompt_tokens": usage(response)["prompt_tokens"]}
    found = places(response, echoed, score="score")
    return [{**entry, "meta_info": about} for entry in found]


SGLANG = Dialect(
    name="SGLang",
    body=SglangBody,
    answer=list[SglangResult],
    write=write,
    fault=with_object,
    marks=frozenset({"instruct"}),
)
