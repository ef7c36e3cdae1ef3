"""PyTerrier: a transformer, behind any retriever that gives texts."""

from typing import Any

from reranker.errors import MissingExtraError
from reranker.integrations.ranker import Ranker, checked, rank_many
from reranker.ranking import Ranking

try:
    import pandas as pd
    import pyterrier as pt
except ImportError as error:
    raise MissingExtraError("pyterrier", "pyterrier", "reranking for PyTerrier") from error


class RerankerTransformer(pt.Transformer):  # type: ignore[misc]
    """A frame's documents, best first for each query, with logits as scores and ranks from 0.

    Candidates are taken by their rank, else by their score, else as they come. Other columns
    stay as they are.

    Args:
        ranker: a `Reranker`, a `Client`, or anything with their `rank`; a `Reranker`'s queries
            share passes.
        text: the column of the texts.
        top_k: return so many of the best; all by default.
        instruction: what relevance means here.
    """

    def __init__(
        self,
        ranker: Ranker,
        *,
        text: str = "text",
        top_k: int | None = None,
        instruction: str | None = None,
    ) -> None:
        super().__init__()
        self.ranker, self.text = checked(ranker), text
        self.top_k, self.instruction = top_k, instruction

    def transform(self, inp: Any) -> Any:
        """The reranked frame, from one with qid, query, docno and the texts.

        Raises:
            InputValidationError: (PyTerrier's) for a frame that lacks one of the columns.
            RerankerError: as the ranker does.
        """
        pt.validate.columns(inp, includes=["qid", "query", "docno", self.text])
        if inp.empty:
            return inp.assign(score=pd.Series(dtype=float), rank=pd.Series(dtype=int))
        groups = [_in_order(group) for _, group in inp.groupby("qid", sort=False)]
        rankings = rank_many(
            self.ranker,
            [group["query"].iloc[0] for group in groups],
            [self._passages(group) for group in groups],
            top_k=self.top_k,
            instruction=self.instruction,
        )
        frames = map(_ranked, groups, rankings)
        return pd.concat(frames, ignore_index=True)

    def _passages(self, group: Any) -> list[dict[str, Any]]:
        pairs = zip(group["docno"], group[self.text], strict=True)
        return [{"id": docno, "text": text} for docno, text in pairs]


def _in_order(group: Any) -> Any:
    for column, rising in (("rank", True), ("score", False)):
        if column in group:
            return group.sort_values(column, ascending=rising, kind="stable")
    return group


def _ranked(group: Any, ranking: Ranking) -> Any:
    best = group.iloc[[passage.index for passage in ranking]]
    scores = [passage.score for passage in ranking]
    return best.assign(score=scores, rank=range(pt.model.FIRST_RANK, len(best)))
