"""A request's texts as tokens, and what reading them will cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from reranker.candidates import Candidates
from reranker.reranker import Reranker
from serve.request import RerankRequest


@dataclass(frozen=True, slots=True)
class Prepared:
    """Candidates in first-stage order, and the windows that they are expected to take.

    Args:
        candidates: as token ids.
        places: each candidate's place in the request.
        windows: tokens of each expected window, after truncation.
        passage_tokens: where passages were cut.
        largest: tokens of the largest of these windows, before it is cut to `budget`.
        budget: the most tokens of a window.
    """

    candidates: Candidates
    places: tuple[int, ...]
    windows: tuple[int, ...]
    passage_tokens: int
    largest: int
    budget: int

    @property
    def tokens(self) -> int:
        """Tokens over all windows."""
        return sum(self.windows)

    @property
    def cut(self) -> tuple[int, ...]:
        """Places in the request of the passages that lost tokens, in order."""
        passages = self.candidates.passages
        return tuple(sorted(p for p, text in zip(self.places, passages, strict=True) if text.cut))

    @property
    def query_cut(self) -> bool:
        """Whether the query or the instruction lost tokens."""
        return self.candidates.query.cut or self.candidates.instruction.cut


def prepare(reranker: Reranker, request: RerankRequest) -> Prepared:
    """Tokenise a request and plan its windows, in any thread.

    Raises:
        InputError: for a query without a visible character.
    """
    places = _first_stage_order(len(request.passages), request.first_stage_scores)
    passages = [request.passages[place] for place in places]
    candidates = reranker.encode(request.query, passages, request.instruction)
    limit = reranker.settings.passage_tokens
    if request.passage_tokens is not None and request.passage_tokens < limit:
        limit = request.passage_tokens
        candidates = candidates.shortened(limit)
    plan, budget = reranker.plan(candidates), reranker.window_tokens
    windows = tuple(min(tokens, budget) for tokens in plan)
    return Prepared(candidates, places, windows, limit, max(plan, default=0), budget)


def _first_stage_order(count: int, scores: Sequence[float] | None) -> tuple[int, ...]:
    """Places by falling first-stage score, where there are scores; ties as they stand."""
    return tuple(sorted(range(count), key=lambda place: 0.0 if scores is None else -scores[place]))
