"""LangChain: a document compressor, for a `ContextualCompressionRetriever` or a chain."""

from collections.abc import Sequence
from typing import Annotated, Any

from reranker.errors import MissingExtraError
from reranker.integrations.ranker import checked, rank
from reranker.ranking import RankedPassage

try:
    from langchain_core.documents import BaseDocumentCompressor, Document
    from pydantic import AfterValidator, ConfigDict, Field
except ImportError as error:
    raise MissingExtraError("langchain-core", "langchain", "reranking for LangChain") from error


class RerankerCompressor(BaseDocumentCompressor):  # type: ignore[misc]
    """Documents best first, each with its logit in `metadata["relevance_score"]`.

    `acompress_documents` does the same in a thread.

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

    model_config = ConfigDict(extra="forbid")

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> list[Document]:
        """Copies of the documents, best first; ids and metadata as they were.

        Raises:
            RerankerError: as the ranker does.
        """
        texts = [document.page_content for document in documents]
        ranking = rank(self.ranker, query, texts, top_k=self.top_n, instruction=self.instruction)
        return [_scored(documents[passage.index], passage) for passage in ranking]


def _scored(document: Document, passage: RankedPassage) -> Document:
    metadata = {**document.metadata, "relevance_score": passage.score}
    return document.model_copy(update={"metadata": metadata})
