import pytest

voyageai = pytest.importorskip("voyageai")


@pytest.mark.parametrize("prefix", ["/v1", "/voyage/v1"])
@pytest.mark.parametrize("top_k", [None, 2])
def test_client(endpoint, prefix, top_k):
    client = voyageai.Client(api_key=endpoint.key, base_url=endpoint.url + prefix)
    documents = list(endpoint.documents)
    answer = client.rerank(endpoint.query, documents, model="m", top_k=top_k)
    assert [each.index for each in answer.results] == list(endpoint.best_first[:top_k])
    assert answer.results[0].document == documents[1]
    assert answer.results[0].relevance_score == 1.0
    assert answer.total_tokens == 21 if top_k is None else answer.total_tokens > 0


def test_errors_are_the_clients_own(endpoint):
    client = voyageai.Client(api_key="wrong", base_url=f"{endpoint.url}/v1")
    with pytest.raises(voyageai.error.AuthenticationError, match="not known here"):
        client.rerank(endpoint.query, list(endpoint.documents), model="m")
