"""The service's own `/rank`: everything that it can be asked, and everything that it knows."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from serve.dialects.dialect import Dialect
from serve.dialects.faults import with_string
from serve.dialects.fields import Body, Documents, PassageTokens, RawScores, TopN, Truncate, example
from serve.dialects.passages import read_passages
from serve.errors import Refusal, ServiceError
from serve.request import Priority, RerankRequest, RerankResponse

Score = Annotated[float, Field(allow_inf_nan=False)]


class RankBody(Body):
    """A query and its candidates, in first-stage order."""

    model_config = example("passages", first_stage_scores=[7.5, 6.25], top_n=2, explain=True)

    passages: Annotated[
        Documents, Field(description="Strings, or objects with `text`, and maybe `id` and `title`.")
    ]
    first_stage_scores: Annotated[
        Annotated[list[Score], Field(fail_fast=True)] | None, Field(description="One a passage.")
    ] = None
    top_n: TopN = None
    passage_tokens: PassageTokens = None
    truncate: Truncate = None
    raw_scores: RawScores = None
    explain: Annotated[bool | None, Field(description="Return the windows and logits.")] = None
    priority: Annotated[
        Annotated[Priority, Field(strict=False)] | None,
        Field(description="`bulk` waits for what is `interactive`, though never for ever."),
    ] = None

    def request(self) -> RerankRequest:
        """What the service is asked.

        Raises:
            ServiceError: for first-stage scores that are not one a passage.
        """
        scores = self.first_stage_scores
        if scores is not None and len(scores) != len(self.passages):
            raise ServiceError(
                Refusal.UNPROCESSABLE,
                f"first_stage_scores: found {len(scores)} for {len(self.passages)} passages; "
                "give one for each, or none",
            )
        return RerankRequest(
            query=self.query,
            passages=read_passages("passages", self.passages),
            instruction=self.instruction,
            first_stage_scores=None if scores is None else tuple(scores),
            top_n=self.top_n or None,
            model=self.model,
            passage_tokens=self.passage_tokens or None,
            truncate=self.truncate is not False,
            raw_scores=self.raw_scores is True,
            explain=self.explain is True,
            priority=self.priority or Priority.INTERACTIVE,
            timeout=self.timeout,
        )


class RankResult(BaseModel):
    """A passage's place in the request, its own id, if it has one, and its score."""

    index: int = Field(ge=0)
    id: str | None
    score: float


class RankUsage(BaseModel):
    """Tokens that went through the model, and the windows that they were read in."""

    prompt_tokens: int = Field(ge=0)
    windows: int = Field(ge=0)


class RankAnswer(BaseModel):
    """Results, best first, what was cut, what it cost, and how it came about.

    Scores are `absolute` where they compare passages of different requests: log odds of being
    relevant, or, in [0, 1], the probability.
    """

    id: str
    model: str
    results: list[RankResult]
    absolute: bool
    warnings: list[str]
    usage: RankUsage
    milliseconds: dict[str, float]
    explanation: dict[str, Any] | None = None


def write(body: RankBody, response: RerankResponse) -> dict[str, Any]:
    """The answer."""
    ids = [passage.id for passage in read_passages("passages", body.passages)]
    answer: dict[str, Any] = {
        "id": response.id,
        "model": response.model,
        "results": [
            {"index": result.index, "id": ids[result.index], "score": float(result.score)}
            for result in response.results
        ],
        "absolute": response.absolute,
        "warnings": list(response.warnings),
        "usage": {"prompt_tokens": response.prompt_tokens, "windows": response.windows},
        "milliseconds": {name: float(spent) for name, spent in response.milliseconds.items()},
    }
    if response.explanation is not None:
        answer["explanation"] = dict(response.explanation)
    return answer


NATIVE = Dialect(
    name="native",
    body=RankBody,
    answer=RankAnswer,
    write=write,
    fault=with_string,
)
