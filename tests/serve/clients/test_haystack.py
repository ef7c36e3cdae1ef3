import os

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
haystack = pytest.importorskip("haystack")
cohere = pytest.importorskip("haystack_integrations.components.rankers.cohere")
jina = pytest.importorskip("haystack_integrations.components.rankers.jina")


@pytest.fixture
def documents(endpoint):
    return [
        haystack.Document(content=text, meta={"n": n}) for n, text in enumerate(endpoint.documents)
    ]


def secret(text):
    return haystack.utils.Secret.from_token(text)


def test_cohere_ranker(endpoint, documents):
    ranker = cohere.CohereRanker(
        model="m", api_key=secret(endpoint.key), api_base_url=endpoint.url, top_k=2
    )
    ranked = ranker.run(query=endpoint.query, documents=documents)["documents"]
    assert [(each.meta["n"], each.score) for each in ranked] == [(1, 1.0), (2, 0.5)]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_jina_ranker(endpoint, documents, path):
    ranker = jina.JinaRanker(
        model="m", api_key=secret(endpoint.key), base_url=endpoint.url + path, top_k=2
    )
    answer = ranker.run(query=endpoint.query, documents=documents)
    assert [(each.meta["n"], each.score) for each in answer["documents"]] == [(1, 1.0), (2, 0.5)]
    assert answer["meta"]["usage"]["total_tokens"] > 0


def test_jina_ranker_reads_why_it_was_refused(endpoint, documents):
    ranker = jina.JinaRanker(api_key=secret("wrong"), base_url=f"{endpoint.url}/v1/rerank")
    with pytest.raises(RuntimeError, match="not known here"):
        ranker.run(query=endpoint.query, documents=documents)
