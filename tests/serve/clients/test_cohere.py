import pytest

cohere = pytest.importorskip("cohere")


def test_client_v2(endpoint):
    client = cohere.ClientV2(endpoint.key, base_url=endpoint.url)
    answer = client.rerank(
        model="m",
        query=endpoint.query,
        documents=endpoint.documents,
        top_n=2,
        max_tokens_per_doc=512,
        priority=1,
    )
    assert [each.index for each in answer.results] == [1, 2]
    assert [each.relevance_score for each in answer.results] == [1.0, 0.5]
    assert answer.meta.tokens.input_tokens == 21
    assert answer.meta.billed_units.search_units == 1
    assert answer.meta.api_version.version == "2"


def test_client_v1(endpoint):
    client = cohere.Client(endpoint.key, base_url=endpoint.url)
    answer = client.rerank(query=endpoint.query, documents=endpoint.documents)
    assert [each.index for each in answer.results] == list(endpoint.best_first)
    assert answer.meta.tokens.input_tokens == 21


def test_client_v1_with_objects(endpoint):
    client = cohere.Client(endpoint.key, base_url=endpoint.url)
    answer = client.rerank(
        query=endpoint.query,
        documents=[{"text": text, "more": str(i)} for i, text in enumerate(endpoint.documents)],
        rank_fields=["text", "more"],
        return_documents=True,
        top_n=1,
    )
    assert answer.results[0].document.text == endpoint.documents[1]
    assert answer.results[0].document.more == "1"


def test_a_full_queue_is_waited_for(endpoint):
    client = cohere.ClientV2(endpoint.key, base_url=endpoint.url)
    answer = client.rerank(model="busy", query=endpoint.query, documents=endpoint.documents)
    assert answer.results[0].index == 1


def test_errors_are_the_clients_own(endpoint):
    client = cohere.ClientV2("wrong", base_url=endpoint.url)
    with pytest.raises(cohere.UnauthorizedError) as caught:
        client.rerank(model="m", query=endpoint.query, documents=endpoint.documents)
    assert "not known here" in caught.value.body["message"]
    client = cohere.ClientV2(endpoint.key, base_url=endpoint.url)
    with pytest.raises(cohere.UnprocessableEntityError) as caught:
        client.rerank(model="m", query=endpoint.query, documents=endpoint.documents, top_n=-1)
    assert "top_n" in caught.value.body["message"]
