"""MTEB: a search model, for reranking tasks and for the candidates of another model's run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reranker.errors import InputError, MissingExtraError
from reranker.integrations.ranker import Ranker, checked, rank_many
from reranker.passage import Passage

try:
    from mteb.models.model_meta import ModelMeta
except ImportError as error:
    raise MissingExtraError("mteb", "mteb", "evaluation by MTEB") from error


class RerankerSearch:
    """A `SearchProtocol`: each query's candidates, which the task brings, ranked together.

    It has no `predict`: MTEB would take it for a cross-encoder, and send single pairs.

    Args:
        ranker: a `Reranker`, a `Client`, or anything with their `rank`; a `Reranker`'s queries
            share passes.
        name: `organisation/model`, for the results' folder.
        revision: of the model, for the same.
        instruction: what relevance means, where the task's queries bring none.
    """

    def __init__(
        self,
        ranker: Ranker,
        *,
        name: str = "reranker/reranker",
        revision: str | None = None,
        instruction: str | None = None,
    ) -> None:
        self._ranker, self._instruction = checked(ranker), instruction
        self._corpus: Any = None
        self._places: dict[str, int] = {}
        self.mteb_model_meta = ModelMeta.create_empty(
            {"name": name, "revision": revision, "model_type": ["cross-encoder"]}
        )

    def index(self, corpus: Any, **_: Any) -> None:
        """Keep the task's corpus, with `id`, `text` and maybe `title`."""
        self._corpus = corpus
        self._places = {id_: place for place, id_ in enumerate(corpus["id"])}

    def search(
        self,
        queries: Iterable[Mapping[str, Any]],
        *,
        top_k: int,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        **_: Any,
    ) -> dict[str, dict[str, float]]:
        """Each query's best `top_k` candidates with their logits.

        Raises:
            InputError: where the task brings no candidates.
            RerankerError: as the ranker does.
        """
        if top_ranked is None:
            raise InputError(
                "the task brings no candidates; take a reranking task, or make it one with "
                "task.convert_to_reranking(FOLDER), of another model's predictions"
            )
        found: dict[str, dict[str, float]] = {}
        groups: dict[str | None, list[Mapping[str, Any]]] = {}
        for query in queries:
            found[query["id"]] = {}
            if query["id"] in top_ranked:
                instruction = query.get("instruction") or self._instruction
                groups.setdefault(instruction, []).append(query)
        for instruction, group in groups.items():
            rankings = rank_many(
                self._ranker,
                [query["text"] for query in group],
                [list(map(self._passage, top_ranked[query["id"]])) for query in group],
                top_k=top_k,
                instruction=instruction,
            )
            for query, ranking in zip(group, rankings, strict=True):
                found[query["id"]] = {passage.id: passage.score for passage in ranking}
        return found

    def _passage(self, id_: str) -> Passage:
        row = self._corpus[self._places[id_]]
        return Passage(row["text"], id_, row.get("title") or None)
