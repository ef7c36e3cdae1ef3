import os

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
litellm = pytest.importorskip("litellm")

ADDRESSES = [
    ("cohere/m", ""),
    ("cohere/m", "/v1/rerank"),
    ("cohere/m", "/v2/rerank"),
    ("hosted_vllm/m", ""),
    ("hosted_vllm/m", "/v1"),
    ("infinity/m", "/infinity"),
    ("jina_ai/m", ""),
    ("huggingface/m", ""),
    ("voyage/m", "/v1"),
    ("voyage/m", "/voyage/v1"),
]


@pytest.mark.parametrize("options", [{}, {"top_n": 2}, {"return_documents": False}])
@pytest.mark.parametrize(("model", "path"), ADDRESSES)
def test_provider(endpoint, model, path, options):
    answer = litellm.rerank(
        model=model,
        query=endpoint.query,
        documents=list(endpoint.documents),
        api_base=endpoint.url + path,
        api_key=endpoint.key,
        **options,
    )
    expected = list(zip(endpoint.best_first, endpoint.scores, strict=True))[: options.get("top_n")]
    assert [(each["index"], each["relevance_score"]) for each in answer.results] == expected
    echoed = answer.results[0].get("document")
    # Cohere's v2 echoes no documents; the others do unless told not to.
    if options.get("return_documents", True) and not (model == "cohere/m" and path != "/v1/rerank"):
        assert echoed == {"text": endpoint.documents[1]}
    else:
        assert echoed is None


def test_infinity_without_documents_needs_no_address_of_its_own(endpoint):
    answer = litellm.rerank(
        model="infinity/m",
        query=endpoint.query,
        documents=list(endpoint.documents),
        return_documents=False,
        api_base=endpoint.url,
        api_key=endpoint.key,
    )
    assert [each["index"] for each in answer.results] == list(endpoint.best_first)


def test_vllm_instruction(endpoint):
    answer = litellm.rerank(
        model="hosted_vllm/m",
        query=endpoint.query,
        documents=list(endpoint.documents),
        instruction="why",
        api_base=endpoint.url,
        api_key=endpoint.key,
    )
    assert answer.results[0]["index"] == 1


def test_errors_are_the_clients_own(endpoint):
    with pytest.raises(litellm.AuthenticationError):
        litellm.rerank(
            model="cohere/m",
            query=endpoint.query,
            documents=list(endpoint.documents),
            api_base=endpoint.url,
            api_key="wrong",
            num_retries=0,
        )
