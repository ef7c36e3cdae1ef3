"""What every dialect is read into, and what it is answered from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reranker.passage import Passage


class Priority(StrEnum):
    """Which requests fill a pass first; `bulk` ages, so that it is never starved."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """A query and its candidates, in first-stage order.

    Args:
        query: what the passages are to answer.
        passages: the candidates.
        instruction: what relevance means here; read before the query.
        first_stage_scores: one a passage, where the caller has them.
        top_n: how many of the best to return; None returns all.
        model: the name of an adapter, or of the base; None is the default.
        passage_tokens: cut passages here, in tokens, if below the limit in force.
        truncate: cut what is too long, with a warning; False refuses it.
        raw_scores: logits on the window's common scale in place of scores in [0, 1].
        explain: return the windows as well.
        priority: see `Priority`.
        timeout: seconds from arrival after which no answer is wanted.
        id: the request's id, in logs and answers.
        arrived: when it came, in seconds of `time.monotonic`; None is when it is to be ranked.
    """

    query: str
    passages: tuple[Passage, ...]
    instruction: str | None = None
    first_stage_scores: tuple[float, ...] | None = None
    top_n: int | None = None
    model: str | None = None
    passage_tokens: int | None = None
    truncate: bool = True
    raw_scores: bool = False
    explain: bool = False
    priority: Priority = Priority.INTERACTIVE
    timeout: float | None = None
    id: str = ""
    arrived: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Result:
    """One passage's place in the answer: where it stood in the request, and its score."""

    index: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankResponse:
    """Results, best first, and what they cost.

    Args:
        id: the request's id.
        model: the name of what ranked.
        results: best first, at most `top_n`; scores are finite and strictly falling.
        prompt_tokens: tokens that went through the model, over all windows.
        windows: forward-pass windows that were read.
        warnings: what was cut, in words, without texts.
        milliseconds: parts of the latency by name: `tokenise`, `queue`, `engine`, `total`.
        explanation: the windows, as JSON has them, where they were asked for.
        absolute: whether scores say how relevant a passage is in any request: log odds, or, in
            [0, 1], the probability.
    """

    id: str
    model: str
    results: tuple[Result, ...]
    prompt_tokens: int
    windows: int
    warnings: tuple[str, ...] = ()
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    explanation: Mapping[str, object] | None = None
    absolute: bool = False
