import pytest

mixedbread = pytest.importorskip("mixedbread")


def test_client(endpoint):
    client = mixedbread.Mixedbread(api_key=endpoint.key, base_url=endpoint.url)
    answer = client.rerank(
        query=endpoint.query, input=list(endpoint.documents), top_k=2, return_input=True, model="m"
    )
    assert [(each.index, each.score) for each in answer.data] == [(1, 1.0), (2, 0.5)]
    assert answer.data[0].input == endpoint.documents[1]
    assert answer.data[0].object == "rank_result"
    assert (answer.top_k, answer.return_input, answer.object) == (2, True, "list")
    assert answer.usage.prompt_tokens > 0


def test_client_with_objects(endpoint):
    client = mixedbread.Mixedbread(api_key=endpoint.key, base_url=endpoint.url)
    inputs = [{"title": text} for text in endpoint.documents]
    answer = client.rerank(query=endpoint.query, input=inputs, rank_fields=["title"])
    assert [each.index for each in answer.data] == list(endpoint.best_first)


def test_a_full_queue_is_waited_for(endpoint):
    client = mixedbread.Mixedbread(api_key=endpoint.key, base_url=endpoint.url)
    answer = client.rerank(query=endpoint.query, input=list(endpoint.documents), model="busy")
    assert answer.data[0].index == 1


def test_errors_are_the_clients_own(endpoint):
    client = mixedbread.Mixedbread(api_key="wrong", base_url=endpoint.url)
    with pytest.raises(mixedbread.AuthenticationError, match="not known here"):
        client.rerank(query=endpoint.query, input=list(endpoint.documents))
