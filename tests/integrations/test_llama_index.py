import asyncio

import pytest

pytest.importorskip("llama_index.core")

from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import CompactAndRefine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from reranker.errors import InputError
from reranker.integrations.llama_index import RerankerPostprocessor
from tests.integrations.conftest import QUERY, TEXTS


@pytest.fixture
def nodes():
    return [
        NodeWithScore(
            node=TextNode(
                text=text, id_=f"n{n}", metadata={"n": n}, excluded_embed_metadata_keys=["n"]
            ),
            score=0.1,
        )
        for n, text in enumerate(TEXTS)
    ]


def test_nodes_are_reranked_and_left_as_they_were(ranker, nodes, order, scores):
    ranked = RerankerPostprocessor(ranker=ranker).postprocess_nodes(nodes, query_str=QUERY)
    assert [each.node.node_id for each in ranked] == [f"n{n}" for n in order]
    assert [each.node.metadata for each in ranked] == [{"n": n} for n in order]
    assert [each.score for each in ranked] == scores
    assert [(each.node.node_id, each.score) for each in nodes] == [
        (f"n{n}", 0.1) for n in range(len(TEXTS))
    ]


def test_a_query_engine(ranker, nodes, order):
    class Shelf(BaseRetriever):
        def _retrieve(self, query_bundle: QueryBundle):
            return nodes

    engine = RetrieverQueryEngine(
        retriever=Shelf(),
        response_synthesizer=CompactAndRefine(llm=MockLLM()),
        node_postprocessors=[RerankerPostprocessor(ranker=ranker, top_n=2)],
    )
    best = [f"n{n}" for n in order[:2]]
    assert [each.node.node_id for each in engine.query(QUERY).source_nodes] == best
    found = asyncio.run(engine.aquery(QUERY)).source_nodes
    assert [each.node.node_id for each in found] == best


def test_metadata_for_the_embedding_is_read(client):
    node = TextNode(text="a text", metadata={"title": "T"})
    asked = []

    class Listening:
        def rank(self, query, passages, **options):
            asked.extend(passages)
            return client.rank(query, passages, **options)

    postprocessor = RerankerPostprocessor(ranker=Listening())
    postprocessor.postprocess_nodes([NodeWithScore(node=node)], query_str=QUERY)
    assert asked == ["title: T\n\na text"]


def test_no_nodes_and_no_query(client, nodes):
    postprocessor = RerankerPostprocessor(ranker=client)
    assert postprocessor.postprocess_nodes([], query_str=QUERY) == []
    with pytest.raises(InputError, match="query_str"):
        postprocessor.postprocess_nodes(nodes)
    with pytest.raises(ValueError, match="expected a Reranker"):
        RerankerPostprocessor(ranker=3)
    assert "ranker" not in postprocessor.to_dict()
