import asyncio
import copy

import pytest

pytest.importorskip("langchain_core")

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda

from reranker import Client
from reranker.integrations.langchain import RerankerCompressor
from tests.integrations.conftest import QUERY, TEXTS


@pytest.fixture
def documents():
    return [
        Document(page_content=text, id=f"d{n}", metadata={"n": n, "of": ["a", "list"]})
        for n, text in enumerate(TEXTS)
    ]


def read(ranked):
    return [(each.id, each.page_content, each.metadata["n"]) for each in ranked]


def test_documents_are_reranked_and_left_as_they_were(ranker, documents, order, scores):
    before = copy.deepcopy(documents)
    ranked = RerankerCompressor(ranker=ranker).compress_documents(documents, QUERY)
    assert read(ranked) == [(f"d{n}", TEXTS[n], n) for n in order]
    assert [each.metadata["relevance_score"] for each in ranked] == scores
    assert documents == before


def test_a_chain_of_retriever_and_compressor(ranker, documents, order):
    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return documents

    compressor = RerankerCompressor(ranker=ranker, top_n=2)
    rerank = RunnableLambda(lambda found: compressor.compress_documents(found, QUERY))
    assert read((Shelf() | rerank).invoke(QUERY)) == [(f"d{n}", TEXTS[n], n) for n in order[:2]]


def test_asynchronous_calls_at_once(ranker, documents, order):
    compressor = RerankerCompressor(ranker=ranker)

    async def ask():
        calls = [compressor.acompress_documents(documents, QUERY) for _ in range(4)]
        return await asyncio.gather(*calls)

    assert [read(ranked) for ranked in asyncio.run(ask())] == 4 * [
        [(f"d{n}", TEXTS[n], n) for n in order]
    ]


def test_no_documents_and_an_instruction(client):
    compressor = RerankerCompressor(ranker=client, instruction="prefer odd ones")
    assert compressor.compress_documents([], QUERY) == []
    [only] = compressor.compress_documents([Document(page_content="a")], QUERY)
    assert only.page_content == "a"


@pytest.mark.parametrize(
    "options", [{"ranker": 3}, {"ranker": Client}, {"ranker": None}, {"top_k": 3}, {"top_n": 0}]
)
def test_what_makes_no_sense_is_refused(client, options):
    with pytest.raises(ValueError, match=r"expected a Reranker|Extra inputs|greater than"):
        RerankerCompressor(**{"ranker": client, **options})
