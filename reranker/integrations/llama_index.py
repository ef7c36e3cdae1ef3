"""LlamaIndex: a node postprocessor, for query engines and retrievers."""

from typing import Annotated, Any

from reranker.errors import InputError, MissingExtraError
from reranker.integrations.ranker import checked, rank

try:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
    from pydantic import AfterValidator, Field
except ImportError as error:
    raise MissingExtraError(
        "llama-index-core", "llama-index", "reranking for LlamaIndex"
    ) from error


class RerankerPostprocessor(BaseNodePostprocessor):  # type: ignore[misc]
    """Nodes best first, with their logits as scores; async methods do the same in a thread.

    Read is what LlamaIndex would embed: the text, and the metadata that a node does not keep
    from its embedding.

    Args:
        ranker: a `Reranker`, a `Client`, or anything with their `rank`.
        top_n: return so many of the best; all by default.
        instruction: what relevance means here.

    Raises:
        ValidationError: (pydantic's) for a ranker that cannot rank.
    """

    ranker: Annotated[Any, AfterValidator(checked)] = Field(exclude=True)
    top_n: int | None = Field(default=None, ge=1)
    instruction: str | None = None

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex writes it down."""
        return "RerankerPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InputError("nodes came without a query; give query_str or query_bundle")
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        ranking = rank(
            self.ranker,
            query_bundle.query_str,
            texts,
            top_k=self.top_n,
            instruction=self.instruction,
        )
        return [NodeWithScore(node=nodes[p.index].node, score=p.score) for p in ranking]
