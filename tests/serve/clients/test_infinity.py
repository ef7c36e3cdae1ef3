import pytest

infinity_client = pytest.importorskip("infinity_client")

from infinity_client.api.default import rerank  # noqa: E402
from infinity_client.models import HTTPValidationError, RerankInput  # noqa: E402


@pytest.mark.parametrize("prefix", ["", "/infinity"])
def test_client(endpoint, prefix):
    client = infinity_client.AuthenticatedClient(endpoint.url + prefix, endpoint.key)
    body = RerankInput(endpoint.query, list(endpoint.documents), return_documents=True, top_n=2)
    answer = rerank.sync(client=client, body=body)
    assert [(each.index, each.relevance_score) for each in answer.results] == [(1, 1.0), (2, 0.5)]
    assert answer.results[0].document == endpoint.documents[1]
    assert answer.object_ == "rerank"
    assert answer.usage.total_tokens > 0


def test_a_refusal_is_read(endpoint):
    client = infinity_client.AuthenticatedClient(endpoint.url, endpoint.key)
    body = RerankInput(endpoint.query, list(endpoint.documents), top_n=-1)
    answer = rerank.sync(client=client, body=body)
    assert isinstance(answer, HTTPValidationError)
    assert "top_n" in answer.detail[0].msg
