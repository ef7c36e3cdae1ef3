"""Relevance feedback: a reranker's scores move a dense retriever's query, which searches again.

Reddy et al., "FIRST: Faster Improved Listwise Reranking with Single Token Decoding", EMNLP 2024,
arXiv 2406.15657, after ReFIT (Gangi Reddy et al., arXiv 2305.11744). Of one query at a time the
vector alone is trained, on the passages that were reranked; encoder and index stay as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from data.dense import Dense, Vector, Vectors
from reranker.errors import InputError, SettingsError
from reranker.run import Run

# What a range must exceed to be one: of dot products, the rounding of their vectors; of scores,
# what a ranking sets tied ones apart by, a millionth a passage.
_ROUNDING = 1e-6
_TIED = 1e-4


def kl(scores: Tensor, taught: Tensor) -> Tensor:
    """KL(softmax(taught) ‖ softmax(scores)) of one query, both `(passages,)`."""
    targets = F.log_softmax(taught, 0)
    return F.kl_div(F.log_softmax(scores, 0), targets, reduction="sum", log_target=True)


def weighted_ranknet(scores: Tensor, taught: Tensor) -> Tensor:
    """The mean over pairs r_i < r_j of softplus(s_j − s_i) / (r_i + r_j), both `(passages,)`.

    r are the ranks by `taught`, 1 = best; tied ones share the best rank and make no pair.
    """
    better = taught[:, None] > taught
    ranks = better.sum(0) + 1
    losses = -F.logsigmoid(scores[:, None] - scores) * better / (ranks[:, None] + ranks)
    return losses.sum() / better.sum()


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "kl": kl,
    "weighted_ranknet": weighted_ranknet,
}


@dataclass(frozen=True, slots=True)
class Stage:
    """So many steps of Adam down one of `LOSSES`.

    Raises:
        SettingsError: for another loss, a learning rate of 0, or fewer than 0 steps.
    """

    loss: str
    learning_rate: float
    steps: int

    def __post_init__(self) -> None:
        if self.loss not in LOSSES or not 0 < self.learning_rate < 1e9 or self.steps < 0:
            raise SettingsError(
                f"a stage of feedback needs a loss of {list(LOSSES)}, a learning rate above 0 and "
                f"at least 0 steps, found {self}"
            )

    def __str__(self) -> str:
        return f"{self.loss}:{self.learning_rate:g}:{self.steps}"

    @classmethod
    def parse(cls, text: str) -> "Stage":
        """A stage out of `LOSS:RATE:STEPS`.

        Raises:
            SettingsError: for another form, or a stage that makes no sense.
        """
        try:
            loss, rate, steps = text.split(":")
            return cls(loss, float(rate), int(steps))
        except ValueError as error:
            if isinstance(error, SettingsError):
                raise
            raise SettingsError(
                f"a stage is LOSS:RATE:STEPS, such as {FIRST[0]}, found {text!r}"
            ) from None


FIRST = (Stage("kl", 5e-3, 100), Stage("weighted_ranknet", 1e-3, 20))


@dataclass(frozen=True, slots=True)
class Feedback:
    """How a query is moved, as FIRST does it: stages one after another, on the best `depth`.

    Raises:
        SettingsError: for a depth below 1.
    """

    stages: tuple[Stage, ...] = FIRST
    depth: int = 100

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise SettingsError(f"feedback needs a depth of at least 1, found {self.depth}")


def moved(
    query: Vector, passages: Vectors, scores: Sequence[float], how: Feedback | None = None
) -> Vector:
    """A query's vector, moved towards what scored high; the same every time.

    A stage compares γ/2 · q·p to the scores, where γ is their range over that of the dot products
    as the stage begins. Where all scores or all dot products are equal (up to rounding; as those
    of a single passage are), there is no γ and nothing to learn: the vector stays.

    Args:
        query: `(dimensions,)`.
        passages: `(passages, dimensions)`; all are read, whatever `how.depth`.
        scores: a reranker's log odds, `(passages,)`, higher = better, in any order.
        how: the stages.

    Returns:
        `(dimensions,)`, not normalised: the order of dot products does not ask for it.

    Raises:
        InputError: for shapes that do not fit, or scores that are not finite.
    """
    _check(query, passages, scores)
    vector, vectors, taught = (
        torch.tensor(values, dtype=torch.float64) for values in (query, passages, scores)
    )
    for stage in (how or Feedback()).stages:
        vector = _descended(vector, vectors, taught, stage)
    result: Vector = vector.float().numpy()
    return result


def feed_back(
    dense: Dense,
    queries: Mapping[str, str],
    reranked: Run,
    *,
    depth: int = 1000,
    how: Feedback | None = None,
    progress: bool = False,
) -> Run:
    """The best `depth` passages of each query, searched again by its moved vector.

    `reranked` has the reranker's scores of passages in the index; a query that it lacks is
    searched as it was.

    Raises:
        DataError: for a reranked passage that is not in the index.
        InputError: for scores that are not finite, or a depth below 1.
    """
    how = how or Feedback()
    vectors = dense.query_vectors(queries)
    bar = tqdm(queries, desc="feedback", unit="query", disable=None if progress else True)
    for query in bar:
        if found := reranked.rankings.get(query, ())[: how.depth]:
            ids, scores = zip(*found, strict=True)
            vectors[query] = moved(vectors[query], dense.passage_vectors(ids), scores, how)
    return Run("feedback", dense.search_vectors(vectors, depth=depth).rankings)


def _descended(query: Tensor, passages: Tensor, taught: Tensor, stage: Stage) -> Tensor:
    """The query's vector after a stage, detached; all are in double precision."""
    dots = passages @ query
    spread, taught_spread = dots.max() - dots.min(), taught.max() - taught.min()
    if spread <= _ROUNDING * _size(dots) or taught_spread <= _TIED * max(1, _size(taught)):
        return query
    gamma = taught_spread / spread
    free = query.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], lr=stage.learning_rate)
    for _ in range(stage.steps):
        optimizer.zero_grad()
        loss = LOSSES[stage.loss](gamma / 2 * (passages @ free), taught)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return free.detach()


def _size(values: Tensor) -> float:
    return float(values.abs().max())


def _check(query: Vector, passages: Vectors, scores: Sequence[float]) -> None:
    if passages.shape != (len(scores), *query.shape) or query.ndim != 1 or not len(scores):
        raise InputError(
            "feedback needs a vector (dimensions,), at least one passage's (passages, dimensions) "
            f"and a score each, found shapes {query.shape}, {passages.shape} and ({len(scores)},)"
        )
    if not np.isfinite(scores).all():
        raise InputError("feedback needs finite scores, found NaN or infinity among them")
