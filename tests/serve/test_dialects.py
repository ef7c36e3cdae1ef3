import json

import pytest
from starlette.testclient import TestClient

from reranker.passage import Passage
from serve.dialects import ALIASES, SHARED, spoken
from serve.dialects.dialect import Dialect
from serve.errors import Refusal, ServiceError
from serve.http import create_app
from serve.openapi import operation
from serve.request import Priority, RerankRequest
from tests.serve.fake import BEST_FIRST, DOCUMENTS, QUERY, FakeService, refusing, with_id

SHARED_PATHS = ("/rerank", "/v1/rerank", "/reranking", "/v1/reranking")
ASKED = RerankRequest(query=QUERY, passages=tuple(map(Passage, DOCUMENTS)))
META = {
    "api_version": {"version": "1"},
    "billed_units": {"search_units": 1},
    "tokens": {"input_tokens": 21, "output_tokens": 0},
}
USAGE = {"prompt_tokens": 21, "total_tokens": 21}


def post(path, service=None, headers=None, **body):
    client = TestClient(create_app(service or FakeService()))
    return client.post(path, json={"query": QUERY, **body}, headers=headers)


def answered(path, **body):
    service = FakeService()
    reply = post(path, service, **body)
    assert reply.status_code == 200, reply.text
    return reply.json(), with_id(service.asked[0])


def order(entries):
    return [entry["index"] for entry in entries]


def test_cohere_v2():
    body, asked = answered(
        "/v2/rerank",
        model="m",
        documents=DOCUMENTS,
        top_n=2,
        max_tokens_per_doc=64,
        priority=3,
        return_documents=True,
    )
    assert order(body["results"]) == BEST_FIRST[:2]
    assert set(body["results"][0]) == {"index", "relevance_score"}
    assert body["meta"] == {**META, "api_version": {"version": "2"}}
    assert (asked.model, asked.top_n, asked.passage_tokens) == ("m", 2, 64)
    assert asked.priority is Priority.BULK


@pytest.mark.parametrize(
    ("number", "priority"), [(0, "interactive"), (-5, "interactive"), (1, "bulk")]
)
def test_priorities_are_numbers_of_which_zero_is_first(number, priority):
    _, asked = answered("/v2/rerank", documents=DOCUMENTS, priority=number)
    assert asked.priority == priority


@pytest.mark.parametrize("path", SHARED_PATHS)
def test_cohere_v1_reads_the_rank_fields_in_their_order(path):
    documents = [{"b": "lines", "a": 7, "c": "no"}, {"a": "file"}, "plain"]
    body, asked = answered(path, documents=documents, rank_fields=["a", "b"], return_documents=True)
    assert [passage.text for passage in asked.passages] == ["a: 7\nb: lines", "a: file", "plain"]
    echoed = {entry["index"]: entry["document"] for entry in body["results"]}
    assert echoed == {0: documents[0], 1: documents[1], 2: {"text": "plain"}}
    assert body["meta"] == META
    body, _ = answered(path, documents=DOCUMENTS, max_chunks_per_doc=1)
    assert set(body["results"][0]) == {"index", "relevance_score"}


def test_one_rank_field_is_read_bare():
    _, asked = answered("/v1/rerank", documents=[{"a": "file"}], rank_fields=["a"])
    assert asked.passages == (Passage("file"),)


@pytest.mark.parametrize("path", SHARED_PATHS)
def test_a_bare_request_serves_jina_vllm_cohere_v1_and_voyage(path):
    body, asked = answered(path, model="m", documents=DOCUMENTS)
    assert asked == RerankRequest(query=QUERY, passages=ASKED.passages, model="m")
    assert order(body["results"]) == order(body["data"]) == BEST_FIRST
    assert body["results"][0] == {
        "index": 1,
        "relevance_score": 1.0,
        "document": {"text": DOCUMENTS[1]},
    }
    assert (body["usage"], body["meta"], body["model"]) == (USAGE, META, "fake")
    assert body["data"][0] == {"index": 1, "relevance_score": 1.0}
    body, _ = answered(path, documents=DOCUMENTS, return_documents=True)
    assert body["data"] == body["results"]


def test_jina_with_top_n_has_no_data_for_voyage_and_may_refuse_the_documents():
    body, asked = answered("/v1/rerank", documents=DOCUMENTS, top_n=1, return_documents=False)
    assert "data" not in body
    assert body["results"] == [{"index": 1, "relevance_score": 1.0}]
    assert asked.top_n == 1


def test_vllm_instruction_and_tokens():
    _, asked = answered("/rerank", documents=DOCUMENTS, instruction="why", max_tokens_per_doc=9)
    assert (asked.instruction, asked.passage_tokens) == ("why", 9)


@pytest.mark.parametrize("path", ["/v2/rerank", *SHARED_PATHS])
@pytest.mark.parametrize("top_n", [0, None, 99, 3.0])
def test_top_n_of_zero_or_none_or_more_brings_every_index(path, top_n):
    body, _ = answered(path, documents=DOCUMENTS, top_n=top_n)
    assert order(body["results"]) == BEST_FIRST


@pytest.mark.parametrize("path", SHARED_PATHS)
def test_tei_is_told_by_texts_and_answers_a_bare_list(path):
    body, asked = answered(
        path, texts=DOCUMENTS, raw_scores=True, return_text=True, truncate=False, top_n=2
    )
    assert body == [
        {"index": 1, "score": 40.0, "text": DOCUMENTS[1]},
        {"index": 2, "score": 20.0, "text": DOCUMENTS[2]},
    ]
    assert asked.raw_scores
    assert not asked.truncate


def test_tei_refuses_to_cut_texts_at_their_start():
    reply = post("/rerank", texts=DOCUMENTS, truncation_direction="Left")
    assert reply.status_code == 422
    assert "truncation_direction" in reply.json()["message"]


@pytest.mark.parametrize("path", ["/infinity/rerank", *SHARED_PATHS])
def test_infinity_is_told_by_raw_scores_and_echoes_strings(path):
    body, asked = answered(
        path,
        model="default/not-specified",
        documents=DOCUMENTS,
        raw_scores=False,
        return_documents=True,
    )
    assert asked == ASKED
    assert body["object"] == "rerank"
    assert body["results"][0] == {
        "index": 1,
        "relevance_score": 1.0,
        "document": DOCUMENTS[1],
    }
    assert body["usage"] == USAGE
    assert isinstance(body["created"], int)


@pytest.mark.parametrize("path", ["/voyage/v1/rerank", *SHARED_PATHS])
def test_voyage_is_told_by_top_k_or_truncation(path):
    body, asked = answered(path, model="m", documents=DOCUMENTS, top_k=None, truncation=False)
    assert order(body["data"]) == BEST_FIRST
    assert set(body["data"][0]) == {"index", "relevance_score"}
    assert body["usage"]["total_tokens"] == 21
    assert not asked.truncate
    body, _ = answered(path, documents=DOCUMENTS, top_k=1, return_documents=True)
    assert body["data"] == [{"index": 1, "relevance_score": 1.0, "document": DOCUMENTS[1]}]


@pytest.mark.parametrize("path", SHARED_PATHS)
def test_mixedbread_is_told_by_input(path):
    documents = [{"t": "a file is read", "n": 1}, "a list"]
    body, asked = answered(path, input=documents, rank_fields=["t"], top_k=1, return_input=True)
    assert body == {
        "object": "list",
        "model": "fake",
        "data": [{"object": "rank_result", "index": 0, "score": 1.0, "input": documents[0]}],
        "usage": {"prompt_tokens": 14, "total_tokens": 14},
        "top_k": 1,
        "return_input": True,
    }
    assert asked.passages == (Passage("a file is read"), Passage("a list"))


@pytest.mark.parametrize("path", ["/sglang/v1/rerank", *SHARED_PATHS])
def test_sglang_is_told_by_instruct_and_answers_a_bare_list(path):
    body, asked = answered(path, documents=DOCUMENTS, instruct="why")
    assert order(body) == BEST_FIRST
    assert {key: body[0][key] for key in ("score", "document")} == {
        "score": 1.0,
        "document": DOCUMENTS[1],
    }
    assert asked.instruction == "why"


def test_rank_asks_for_everything_and_tells_everything():
    service = FakeService()
    service.warnings = ("1 of 3 documents were cut",)
    passages = [{"id": "x", "title": "t", "text": "a list"}, "a file is read", {"text": "a file"}]
    reply = post(
        "/rank",
        service,
        passages=passages,
        first_stage_scores=[3, 2.5, 1],
        instruction="why",
        top_n=3,
        model="m",
        passage_tokens=50,
        truncate=False,
        raw_scores=True,
        explain=True,
        priority="bulk",
        timeout=4,
        headers={"x-request-id": "mine"},
    )
    assert service.asked == [
        RerankRequest(
            query=QUERY,
            passages=(Passage("a list", "x", "t"), Passage("a file is read"), Passage("a file")),
            instruction="why",
            first_stage_scores=(3.0, 2.5, 1.0),
            top_n=3,
            model="m",
            passage_tokens=50,
            truncate=False,
            raw_scores=True,
            explain=True,
            priority=Priority.BULK,
            timeout=4.0,
            id="mine",
        )
    ]
    assert reply.json() == {
        "id": "mine",
        "model": "fake",
        "results": [
            {"index": 1, "id": None, "score": 40.0},
            {"index": 2, "id": None, "score": 20.0},
            {"index": 0, "id": "x", "score": 40.0 / 3},
        ],
        "absolute": False,
        "warnings": ["1 of 3 documents were cut"],
        "usage": {"prompt_tokens": 21, "windows": 1},
        "milliseconds": {"tokenise": 0.5, "engine": 2.0, "total": 3.25},
        "explanation": {"windows": []},
    }
    assert reply.headers["server-timing"] == "tokenise;dur=0.500, engine;dur=2.000, total;dur=3.250"


def test_first_stage_scores_are_one_a_passage():
    reply = post("/rank", passages=DOCUMENTS, first_stage_scores=[1.0])
    assert reply.status_code == 422
    assert "found 1 for 3 passages" in reply.json()["message"]


@pytest.mark.parametrize(("path", "dialects"), ALIASES.items())
def test_every_path_answers_its_documented_examples(path, dialects):
    examples = operation(dialects)["requestBody"]["content"]["application/json"]["examples"]
    for dialect in dialects:
        example = examples[dialect.name]["value"]
        assert spoken(dialects, example) is dialect
        assert post(path, **example).status_code == 200


@pytest.mark.parametrize(("path", "dialects"), ALIASES.items())
def test_a_whole_score_is_written_as_a_float(path, dialects: tuple[Dialect, ...]):
    service = FakeService()
    service.top_score = 1  # what a careless engine would give
    for dialect in dialects:
        example = dialect.body.model_config["json_schema_extra"]["examples"][0]
        text = post(path, service, **{**example, "query": QUERY}).text
        assert 'score":1.0' in text
        assert 'score":1,' not in text
        assert 'score":1}' not in text


@pytest.mark.parametrize("dialect", SHARED, ids=lambda each: each.name)
def test_a_key_that_marks_a_dialect_is_no_other_dialects(dialect):
    others = [each for each in SHARED if each is not dialect]
    assert all(not dialect.marks & each.marks for each in others)
    own = dialect.marks - set(dialect.body.model_fields)
    assert not own


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/infinity/rerank", "/rank"])
def test_a_lone_surrogate_is_ranked_and_echoed_as_it_came(path):
    text = "a broken \ud800 file"
    key = "passages" if path == "/rank" else "documents"
    sent = json.dumps({"query": QUERY + "\udfff", key: [text], "return_documents": True})
    service = FakeService()
    reply = TestClient(create_app(service)).post(path, content=sent)
    assert reply.status_code == 200
    assert service.asked[0].passages[0].text == text
    if path == "/v1/rerank":
        assert json.loads(reply.content)["results"][0]["document"] == {"text": text}
        assert b"\\ud800" in reply.content


def test_warnings_are_in_meta_and_in_a_header_for_bodies_without_a_place():
    service = FakeService()
    service.warnings = ("2 documents were cut: 0, 1", "ümlaut\n")
    assert post("/v2/rerank", service, documents=DOCUMENTS).json()["meta"]["warnings"] == [
        "2 documents were cut: 0, 1",
        "ümlaut\n",
    ]
    reply = post("/rerank", service, texts=DOCUMENTS)
    assert reply.headers["x-warnings"] == "2 documents were cut: 0, 1; ?mlaut?"


FULL = ServiceError(Refusal.QUEUE_FULL, "come again", retry_after=1.2)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rank", {"passages": DOCUMENTS}),
        ("/v2/rerank", {"documents": DOCUMENTS}),
        *[("/v1/rerank", {"documents": DOCUMENTS, key: None}) for key in ("top_k", "rank_fields")],
        ("/v1/reranking", {"input": DOCUMENTS}),
    ],
)
def test_errors_carry_message_detail_and_error(path, body):
    reply = post(path, refusing(FULL), **body)
    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "2"
    assert reply.json() == {"message": "come again", "detail": "come again", "error": "come again"}


def test_tei_errors_have_a_type():
    body = post("/rerank", refusing(FULL), texts=DOCUMENTS).json()
    assert (body["error"], body["error_type"]) == ("come again", "Overloaded")
    assert post("/rerank", texts=[3]).json()["error_type"] == "Validation"


@pytest.mark.parametrize("body", [{}, {"raw_scores": True}, {"instruct": "why"}])
def test_openai_like_errors_are_objects(body):
    said = post("/v1/rerank", refusing(FULL), documents=DOCUMENTS, **body).json()
    assert said["error"]["message"] == said["message"] == said["detail"] == "come again"
    assert (said["error"]["code"], said["error"]["type"]) == (429, "RateLimitError")


def test_infinity_reads_the_detail_of_a_422_as_a_list():
    said = post("/infinity/rerank", documents=3).json()
    assert said["detail"] == [{"loc": ["body"], "msg": said["message"], "type": "value_error"}]
