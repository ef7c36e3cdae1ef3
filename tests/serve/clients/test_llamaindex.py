import pytest

pytest.importorskip("llama_index.core")

from llama_index.core.schema import NodeWithScore, TextNode


@pytest.fixture
def ranked(endpoint):
    def rank(postprocessor):
        nodes = [
            NodeWithScore(node=TextNode(text=text, id_=str(n)), score=0.1)
            for n, text in enumerate(endpoint.documents)
        ]
        found = postprocessor.postprocess_nodes(nodes, query_str=endpoint.query)
        return [(each.node.id_, each.score) for each in found]

    return rank


BEST_TWO = [("1", 1.0), ("2", 0.5)]


def test_cohere(endpoint, ranked):
    module = pytest.importorskip("llama_index.postprocessor.cohere_rerank")
    reranker = module.CohereRerank(
        top_n=2, model="m", api_key=endpoint.key, base_url=endpoint.url, max_retries=1
    )
    assert ranked(reranker) == BEST_TWO


def test_jina(endpoint, ranked):
    module = pytest.importorskip("llama_index.postprocessor.jinaai_rerank")
    reranker = module.JinaRerank(
        top_n=2, model="m", api_key=endpoint.key, base_url=f"{endpoint.url}/v1"
    )
    assert ranked(reranker) == BEST_TWO
    refused = module.JinaRerank(api_key="wrong", base_url=f"{endpoint.url}/v1")
    with pytest.raises(RuntimeError, match="not known here"):
        ranked(refused)


def test_tei(endpoint, ranked):
    module = pytest.importorskip("llama_index.postprocessor.tei_rerank")
    reranker = module.TextEmbeddingInference(
        top_n=2, base_url=endpoint.url, auth_token=f"Bearer {endpoint.key}"
    )
    assert ranked(reranker) == BEST_TWO


def test_siliconflow(endpoint, ranked):
    module = pytest.importorskip("llama_index.postprocessor.siliconflow_rerank")
    reranker = module.SiliconFlowRerank(
        top_n=2, model="m", api_key=endpoint.key, base_url=f"{endpoint.url}/v1/rerank"
    )
    assert ranked(reranker) == BEST_TWO
