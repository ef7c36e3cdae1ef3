"""Text Embeddings Inference's `/rerank` (llama.cpp's too): `texts` in, a bare list out."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from serve.dialects.answers import places
from serve.dialects.dialect import Dialect
from serve.dialects.faults import with_type
from serve.dialects.fields import Body, Echo, RawScores, Texts, TopN, Truncate, example
from serve.dialects.passages import read_passages
from serve.request import RerankRequest, RerankResponse


class TeiBody(Body):
    """A query and texts, as TEI's clients send them."""

    model_config = example("texts", raw_scores=False, return_text=True)

    texts: Annotated[Texts, Field(description="Strings.")]
    truncate: Truncate = None
    truncation_direction: Annotated[
        Literal["Right", "right"] | None, Field(description="Texts are cut at their end alone.")
    ] = None
    raw_scores: RawScores = None
    return_text: Echo = None
    top_n: TopN = None

    def request(self) -> RerankRequest:
        """What the service is asked."""
        return RerankRequest(
            query=self.query,
            passages=read_passages("texts", self.texts),
            instruction=self.instruction,
            top_n=self.top_n or None,
            model=self.model,
            truncate=self.truncate is not False,
            raw_scores=self.raw_scores is True,
            timeout=self.timeout,
        )


class TeiResult(BaseModel):
    """A text's place in the request, its score, and the text, if it was asked for."""

    index: int = Field(ge=0)
    score: float
    text: str | None = None


def write(body: TeiBody, response: RerankResponse) -> list[dict[str, Any]]:
    """The answer, best first."""
    echoed = body.texts if body.return_text else None
    return places(response, echoed, score="score", document="text")


TEI = Dialect(
    name="TEI",
    body=TeiBody,
    answer=list[TeiResult],
    write=write,
    fault=with_type,
    marks=frozenset({"texts"}),
)
