"""Haystack: a ranker, for pipelines."""

from dataclasses import replace
from typing import Any

from reranker.client import Client
from reranker.errors import MissingExtraError, SettingsError
from reranker.integrations.ranker import Ranker, checked, rank

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.utils import Secret, deserialize_secrets_inplace
except ImportError as error:
    raise MissingExtraError("haystack-ai", "haystack", "reranking for Haystack") from error


@component
class ListwiseRanker:
    """Documents best first, with their logits as scores.

    Give a ranker; or else what a pipeline that is written to a file can hold: a model for this
    process, or the address of a service, from which `warm_up` makes one.

    Args:
        ranker: a `Reranker`, a `Client`, or anything with their `rank`.
        model: for `Reranker`; with `url`, the name of one of the service's adapters.
        url: the service's address.
        api_key: the service's key.
        options: further options of `Reranker` or `Client`, fit for JSON.
        top_k: return so many of the best; all by default.
        instruction: what relevance means here.

    Raises:
        SettingsError: for a ranker that cannot rank, or beside a model, an address or options.
    """

    def __init__(
        self,
        ranker: Ranker | None = None,
        *,
        model: str | None = None,
        url: str | None = None,
        api_key: Secret = Secret.from_env_var("RERANKER_API_KEY", strict=False),  # noqa: B008
        options: dict[str, Any] | None = None,
        top_k: int | None = None,
        instruction: str | None = None,
    ) -> None:
        if ranker is not None and (model or url or options):
            raise SettingsError("give a ranker, or a model, url and options to make one of")
        self.model, self.url, self.api_key, self.options = model, url, api_key, options
        self.top_k, self.instruction = top_k, instruction
        self._ranker = None if ranker is None else checked(ranker)
        self._given = ranker is not None

    def warm_up(self) -> None:
        """Load the model, or make the client, once."""
        if self._ranker is None:
            self._ranker = self._made()

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads; never the key.

        Raises:
            SettingsError: where a ranker was given, which no file can hold.
        """
        if self._given:
            raise SettingsError(
                "a ranker that was given as an object cannot be written to a pipeline's file; "
                "make ListwiseRanker with model= or url= in its place"
            )
        return default_to_dict(  # type: ignore[no-any-return]
            self,
            model=self.model,
            url=self.url,
            api_key=self.api_key.to_dict(),
            options=self.options,
            top_k=self.top_k,
            instruction=self.instruction,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ListwiseRanker":
        """The component that `to_dict` wrote."""
        deserialize_secrets_inplace(data["init_parameters"], keys=["api_key"])
        return default_from_dict(cls, data)  # type: ignore[no-any-return]

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Copies of the documents, best first; ids and meta as they were.

        A document without a text is read as an empty one.

        Raises:
            RerankerError: as the ranker does.
        """
        self.warm_up()
        assert self._ranker is not None
        ranking = rank(
            self._ranker,
            query,
            [document.content or "" for document in documents],
            top_k=self.top_k if top_k is None else top_k,
            instruction=self.instruction,
        )
        return {"documents": [replace(documents[p.index], score=p.score) for p in ranking]}

    def _made(self) -> Ranker:
        options = self.options or {}
        if self.url is not None:
            key = self.api_key.resolve_value()
            return Client(self.url, api_key=key, model=self.model, **options)
        from reranker.reranker import Reranker

        return Reranker(self.model, **options)
