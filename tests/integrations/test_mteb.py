import pytest

pytest.importorskip("mteb")

from datasets import Dataset
from mteb.models.models_protocols import CrossEncoderProtocol, EncoderProtocol, SearchProtocol

from reranker.errors import InputError
from reranker.integrations.mteb import RerankerSearch
from tests.integrations.conftest import QUERY, TEXTS

IDS = [f"d{n}" for n in range(len(TEXTS))]
REST = {"task_metadata": None, "hf_split": "test", "hf_subset": "default", "encode_kwargs": {}}


@pytest.fixture
def corpus():
    return Dataset.from_dict({"id": IDS, "text": TEXTS, "title": [""] * len(IDS)})


@pytest.fixture
def queries():
    return Dataset.from_dict({"id": ["q1", "q2", "q3"], "text": [QUERY, QUERY, "alone?"]})


def test_mteb_takes_it_for_a_search_model(client):
    model = RerankerSearch(client, name="a/b")
    assert isinstance(model, SearchProtocol)
    assert not isinstance(model, CrossEncoderProtocol | EncoderProtocol)
    assert (model.mteb_model_meta.name, model.mteb_model_meta.model_type) == (
        "a/b",
        ["cross-encoder"],
    )


def test_candidates_are_ranked_together(ranker, corpus, queries, order, scores):
    model = RerankerSearch(ranker)
    model.index(corpus, num_proc=None, **REST)
    found = model.search(
        queries, top_k=4, top_ranked={"q1": IDS, "q2": IDS[::-1]}, num_proc=None, **REST
    )
    assert list(found["q1"]) == [IDS[n] for n in order[:4]]
    ranking = ranker.rank(QUERY, TEXTS[::-1], top_k=4)
    assert list(found["q2"]) == [IDS[::-1][passage.index] for passage in ranking]
    assert found["q3"] == {}
    with pytest.raises(InputError, match="convert_to_reranking"):
        model.search(queries, top_k=4, num_proc=None, **REST)


def test_a_querys_own_instruction(client, corpus):
    queries = Dataset.from_dict(
        {"id": ["q1", "q2"], "text": [QUERY, QUERY], "instruction": ["prefer odd", None]}
    )
    asked = []

    class Listening:
        def rank(self, query, passages, **options):
            asked.append((options["instruction"], [each.id for each in passages]))
            return client.rank(query, passages, **options)

    model = RerankerSearch(Listening(), instruction="prefer even")
    model.index(corpus)
    model.search(queries, top_k=2, top_ranked={"q1": IDS[:2], "q2": IDS[2:]})
    assert asked == [("prefer odd", IDS[:2]), ("prefer even", IDS[2:])]
