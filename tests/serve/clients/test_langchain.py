import pytest

langchain_cohere = pytest.importorskip("langchain_cohere")

from langchain_core.documents import Document  # noqa: E402


def test_compressor(endpoint):
    reranker = langchain_cohere.CohereRerank(
        model="m", cohere_api_key=endpoint.key, base_url=endpoint.url, top_n=2
    )
    documents = [Document(text, metadata={"n": n}) for n, text in enumerate(endpoint.documents)]
    ranked = reranker.compress_documents(documents, endpoint.query)
    assert [each.metadata["n"] for each in ranked] == [1, 2]
    assert [each.metadata["relevance_score"] for each in ranked] == [1.0, 0.5]


def test_rerank_of_objects(endpoint):
    reranker = langchain_cohere.CohereRerank(
        model="m", cohere_api_key=endpoint.key, base_url=endpoint.url
    )
    documents = [{"text": text, "n": n} for n, text in enumerate(endpoint.documents)]
    ranked = reranker.rerank(documents, endpoint.query, rank_fields=["text"], top_n=None)
    assert [each["index"] for each in ranked] == list(endpoint.best_first)
