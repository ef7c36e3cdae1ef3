import copy
import os

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
pytest.importorskip("haystack")

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.core.errors import DeserializationError
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret

from reranker.errors import InputError, RerankerError, SettingsError
from reranker.integrations.haystack import ListwiseRanker
from tests.integrations.conftest import KEY, QUERY, TEXTS


@pytest.fixture
def documents():
    return [
        Document(content=text, id=f"d{n}", meta={"n": n}, score=0.5) for n, text in enumerate(TEXTS)
    ]


def test_documents_are_reranked_and_left_as_they_were(ranker, documents, order, scores):
    before = copy.deepcopy(documents)
    ranked = ListwiseRanker(ranker).run(QUERY, documents)["documents"]
    assert [(each.id, each.meta) for each in ranked] == [(f"d{n}", {"n": n}) for n in order]
    assert [each.score for each in ranked] == scores
    assert documents == before
    best = ListwiseRanker(ranker, top_k=3).run(QUERY, documents, top_k=2)["documents"]
    assert [each.id for each in best] == [f"d{n}" for n in order[:2]]


def pipeline(documents, ranker):
    store = InMemoryDocumentStore()
    store.write_documents(documents)
    made = Pipeline()
    made.add_component("retriever", InMemoryBM25Retriever(store))
    made.add_component("ranker", ranker)
    made.connect("retriever.documents", "ranker.documents")
    return made


def test_a_pipeline(ranker, documents, order):
    made = pipeline(documents, ListwiseRanker(ranker, top_k=4))
    found = made.run({"retriever": {"query": "passage number"}, "ranker": {"query": QUERY}})
    candidates = InMemoryBM25Retriever(made.get_component("retriever").document_store)
    texts = [each.content for each in candidates.run("passage number")["documents"]]
    wanted = [passage.text for passage in ranker.rank(QUERY, texts, top_k=4)]
    assert [each.content for each in found["ranker"]["documents"]] == wanted


def test_a_pipeline_is_written_and_read(address, documents, client, monkeypatch):
    monkeypatch.setenv("RERANKER_API_KEY", KEY)
    ranker = ListwiseRanker(url=address, top_k=2, options={"timeout": 30.0})
    written = pipeline(documents, ranker).dumps()
    assert KEY not in written
    # Haystack makes no class of a module that the reader does not name as trusted.
    with pytest.raises(DeserializationError, match="allowlist"):
        Pipeline.loads(written)
    trusted = ["reranker.integrations.haystack"]
    read = Pipeline.loads(written, allowed_modules=trusted).get_component("ranker")
    assert read.to_dict() == ranker.to_dict()
    read.warm_up()
    found = read.run(QUERY, documents)["documents"]
    assert [each.content for each in found] == [p.text for p in client.rank(QUERY, TEXTS, top_k=2)]


def test_a_model_is_loaded_when_warmed_up(tmp_path, documents):
    pytest.importorskip("torch")
    from tests.tiny import save_tiny

    save_tiny(tmp_path)
    ranker = ListwiseRanker(model=str(tmp_path), options={"window": 4}, top_k=1)
    assert len(ranker.run(QUERY, documents)["documents"]) == 1


def test_a_missing_model_is_told(documents):
    pytest.importorskip("torch")
    with pytest.raises(RerankerError, match="no file or folder"):
        ListwiseRanker(model="./nowhere").warm_up()


def test_what_makes_no_sense_is_refused(client, documents):
    with pytest.raises(SettingsError, match="a ranker, or a model"):
        ListwiseRanker(client, model="m")
    with pytest.raises(SettingsError, match="expected a Reranker"):
        ListwiseRanker(3)
    with pytest.raises(SettingsError, match="model= or url="):
        ListwiseRanker(client).to_dict()
    with pytest.raises(InputError, match="top_k"):
        ListwiseRanker(client).run(QUERY, documents, top_k=0)
    with pytest.raises(ValueError, match="token-based"):
        ListwiseRanker(url="http://a", api_key=Secret.from_token(KEY)).to_dict()


def test_documents_without_a_text_and_none(client):
    ranker = ListwiseRanker(client)
    assert ranker.run(QUERY, []) == {"documents": []}
    assert len(ranker.run(QUERY, [Document(content=None), Document(content="a")])["documents"]) == 2
