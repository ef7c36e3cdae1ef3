"""The answer to a request, out of the job that has ranked its passages."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reranker.explanation import Explanation
from reranker.lockstep import Job
from reranker.ranking import Ranking
from serve.errors import Refusal, ServiceError
from serve.prepared import Prepared
from serve.request import RerankRequest, RerankResponse, Result
from serve.scores import unit_scores

_MOST_PLACES = 50


def answer(
    request: RerankRequest,
    prepared: Prepared,
    job: Job,
    *,
    model: str,
    milliseconds: Mapping[str, float],
) -> RerankResponse:
    """What a request is answered, once its job is done.

    Raises:
        ServiceError: UNPROCESSABLE, where something was cut that must not be.
    """
    _in_request_order(job, prepared.places)
    ranking = Ranking.of(job, request.query, request.passages)
    explanation = ranking.explain()
    if not request.truncate and explanation.cut:
        raise too_long(request, explanation.cut, f"window of {prepared.budget}")
    logits = [passage.score for passage in ranking]
    absolute = any(passage.relevance is not None for passage in ranking)
    scores = logits if request.raw_scores else unit_scores(logits, absolute=absolute)
    results = [Result(p.index, score) for p, score in zip(ranking, scores, strict=True)]
    return RerankResponse(
        id=request.id,
        model=model,
        results=tuple(results[: request.top_n]),
        prompt_tokens=job.tokens_read,
        windows=job.windows_read,
        warnings=_warnings(explanation, prepared),
        milliseconds=milliseconds,
        explanation=explanation.to_dict() if request.explain else None,
        absolute=absolute,
    )


def too_long(request: RerankRequest, places: Sequence[int], limit: str) -> ServiceError:
    """The refusal of passages that would be cut to a limit."""
    lengths = [f"{place} ({len(request.passages[place].text)} characters)" for place in places]
    return ServiceError(
        Refusal.UNPROCESSABLE,
        f"{len(places)} of {len(request.passages)} documents are too long for the {limit} tokens "
        f"and truncation is off: {_listed(lengths)}; shorten them, or allow truncation",
    )


def _in_request_order(job: Job, places: Sequence[int]) -> None:
    """Name candidates by their places in the request, where first-stage scores moved them."""
    job.order = [places[candidate] for candidate in job.order or []]
    job.windows = [
        replace(window, candidates=tuple(places[candidate] for candidate in window.candidates))
        for window in job.windows
    ]


def _warnings(explanation: Explanation, prepared: Prepared) -> tuple[str, ...]:
    warnings = []
    if cut := explanation.cut:
        warnings.append(
            f"{len(cut)} of {explanation.candidates} documents were cut, to "
            f"{prepared.passage_tokens} tokens or to what a window of {prepared.budget} holds: "
            f"{_listed(list(map(str, cut)))}"
        )
    if prepared.query_cut:
        warnings.append("the query or the instruction was cut to the most tokens that are read")
    return tuple(warnings)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_PLACES} more" if len(names) > _MOST_PLACES else ""
    return ", ".join(names[:_MOST_PLACES]) + more
