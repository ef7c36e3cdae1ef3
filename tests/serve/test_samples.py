import json

import pytest
from starlette.testclient import TestClient

import serve.samples
from reranker.errors import MissingExtraError
from reranker.passage import Passage
from serve.http import create_app
from serve.samples import ordered, samples_router
from serve.settings import Limits
from tests.serve.fake import FakeService

PASSAGES = {
    "a": ("Cats", "They sleep for most of the day."),
    "b": ("", "Dogs bark at strangers and at cats."),
    "c": ("Fish", "They breathe with gills."),
}


@pytest.fixture
def folder(tmp_path):
    rows = [{"_id": i, "title": title, "text": text} for i, (title, text) in PASSAGES.items()]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "cats"}\n')
    return tmp_path


def client_of(collection=None, limits=None):
    service = FakeService(limits=limits)
    app = create_app(service)
    app.include_router(samples_router(service, collection))
    return TestClient(app)


def test_says_what_there_is(folder):
    nothing = {"bm25": True, "collection": None, "queries": []}
    assert client_of().get("/samples").json() == nothing
    offered = client_of(folder).get("/samples").json()
    assert offered == {"bm25": True, "collection": folder.name, "queries": ["cats"]}


def test_offers_no_query_where_none_can_be_searched_for(folder, monkeypatch):
    monkeypatch.setattr(serve.samples, "_PACKAGES", ("no_such_package",))
    offered = client_of(folder).get("/samples").json()
    assert offered == {"bm25": False, "collection": folder.name, "queries": []}


def test_draws_from_the_collection(folder):
    reply = client_of(folder).post("/search", json={"query": "sleeping cats", "depth": 2})
    first, second = reply.json()["passages"]
    assert (first["id"], first["title"], second["id"]) == ("a", "Cats", "b")
    assert "title" not in second
    assert first["score"] > second["score"] > 0


def test_depth_bounds_what_is_drawn(folder):
    reply = client_of(folder).post("/search", json={"query": "cats", "depth": 1})
    assert len(reply.json()["passages"]) == 1


def test_all_given_passages_come_back_in_order_of_bm25():
    passages = ["fish", "cats and dogs and more of them", {"text": "cats", "id": "x"}, "birds"]
    reply = client_of().post("/search", json={"query": "a cat", "passages": passages})
    found = reply.json()["passages"]
    assert [each["text"] for each in found] == [
        "cats",
        "cats and dogs and more of them",
        "fish",
        "birds",
    ]
    assert found[0]["id"] == "x"
    assert [each["score"] for each in found[2:]] == [0.0, 0.0]


def test_passages_that_share_no_word_keep_their_order():
    passages = [Passage("one"), Passage("two"), Passage("one")]
    assert ordered("three", passages) == [(each, 0.0) for each in passages]
    assert ordered("three", []) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "query"),
        ({"query": 3}, "query: expected a string"),
        ({"query": "q", "depth": 0}, "depth"),
        ({"query": "q"}, "no collection"),
        ({"query": "q", "passages": [{"no": "text"}]}, "passages[0]"),
        ({"query": "q", "passages": ["a", "b", "c"]}, "2"),
    ],
)
def test_refuses_with_a_reason(body, said):
    reply = client_of(limits=Limits(max_documents=2)).post("/search", json=body)
    assert reply.status_code == 422
    assert said in reply.json()["message"]


def test_a_collection_that_cannot_be_read_is_not_told_in_detail(tmp_path):
    client = client_of(tmp_path)
    for reply in (client.post("/search", json={"query": "q"}), client.get("/samples")):
        assert reply.status_code == 500
        assert "cannot be read" in reply.json()["message"]
        assert str(tmp_path) not in reply.text


def test_a_missing_package_is_named(monkeypatch):
    def absent(*arguments):
        raise MissingExtraError("bm25s", "bm25", "BM25 retrieval")

    monkeypatch.setattr(serve.samples, "BM25", absent)
    reply = client_of().post("/search", json={"query": "q", "passages": ["a"]})
    assert reply.status_code == 503
    assert "pip install" in reply.json()["message"]
