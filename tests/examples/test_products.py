"""What search engines send to the service when they are set up as in docs/retrievers.md.

The bodies are those that their sources write:

- OpenSearch's ml-commons: `CohereRerankPreProcessFunction`, `CohereRerankPostProcessFunction`;
- Elasticsearch: `CustomRequest`, `RerankResponseParser` of its inference service `custom`,
  `HuggingFaceRerankRequestEntity`, `HuggingFaceRerankResponseEntity` of `hugging_face`;
- Weaviate: `clients/ranker.go` of `reranker-cohere` and `reranker-transformers`.
"""

import json
import re

import httpx
import pytest

from tests.examples.conftest import RETRIEVERS
from tests.serve.house import tiny_reranker

HERE = "http://reranker:8000"
QUERY = 'who "wrote" <Dune>,\n été?'
TEXTS = [
    "Dunes are\tsand.",
    'He said "Dune" \\ once.',
    "Frank Herbert wrote it. 砂の惑星",
    "{}",
    "$1",
]


def requests_of(name):
    """The requests of a file: method and path on a line, JSON below."""
    text = (RETRIEVERS / name).read_text(encoding="utf-8")
    parts = re.split(r"^(GET|POST|PUT) (/\S*)\n", text, flags=re.MULTILINE)
    assert parts[0] == ""
    lines = zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    return {f"{method} {path}": json.loads(body) for method, path, body in lines}


def replaced(template, values):
    """A template with `${name}` replaced; every name has to be known."""
    return re.sub(r"\$\{([\w.]+)\}", lambda match: values[match[1]], template)


def posted(running, url, headers, body):
    """The answer to a body, of the service that runs in the place of the documented one."""
    assert url.startswith(f"{HERE}/")
    url = url.replace(HERE, running.address)
    given = {"content-type": "application/json", **headers}
    return httpx.post(url, headers=given, content=body.encode(), timeout=60)


def order_of(scores):
    return sorted(range(len(scores)), key=lambda place: -scores[place])


@pytest.fixture(scope="module")
def wanted():
    return [passage.index for passage in tiny_reranker().rank(QUERY, TEXTS)]


def test_opensearch(running, wanted):
    requests = requests_of("opensearch.console")
    settings = requests["PUT /_cluster/settings"]["persistent"]
    connector = requests["POST /_plugins/_ml/connectors/_create"]
    [action] = connector["actions"]
    [trusted] = settings["plugins.ml_commons.trusted_connector_endpoints_regex"]
    assert re.fullmatch(trusted, action["url"])
    body = replaced(
        action["request_body"],
        {
            "parameters.model": connector["parameters"]["model"],
            "parameters.query": json.dumps(QUERY)[1:-1],
            "parameters.documents": json.dumps(TEXTS),
            "parameters.top_n": str(len(TEXTS)),
        },
    )
    key = {"credential.api_key": running.key}
    headers = {name: replaced(value, key) for name, value in action["headers"].items()}
    answer = posted(running, action["url"], headers, body)
    assert answer.status_code == 200
    scores = [None] * len(TEXTS)
    for result in answer.json()["results"]:
        # It casts without asking: Integer and Double.
        assert type(result["index"]) is int
        assert type(result["relevance_score"]) is float
        scores[result["index"]] = result["relevance_score"]
    assert order_of(scores) == wanted


def test_opensearch_searches_through_the_pipeline():
    requests = requests_of("opensearch.console")
    [path] = [path for path in requests if path.startswith("PUT /_search/pipeline/")]
    pipeline = path.rpartition("/")[2]
    [search] = [path for path in requests if path.startswith("GET ")]
    assert search.endswith(f"?search_pipeline={pipeline}")
    [processor] = requests[path]["response_processors"]
    assert processor["rerank"]["context"]["document_fields"] == ["text"]
    assert requests[search]["ext"]["rerank"]["query_context"]["query_text"]


def test_elasticsearch(running, wanted):
    requests = requests_of("elasticsearch.console")
    endpoint = requests["PUT /_inference/rerank/reranker"]
    settings = endpoint["service_settings"]
    assert endpoint["service"] == "custom"
    values = {"query": json.dumps(QUERY), "input": json.dumps(TEXTS)}
    body = replaced(settings["request"], values)
    key = {"api_key": running.key}
    assert settings["secret_parameters"].keys() == key.keys()
    headers = {name: replaced(value, key) for name, value in settings["headers"].items()}
    answer = posted(running, settings["url"], headers, body)
    assert answer.status_code == 200
    parser = settings["response"]["json_parser"]
    places = selected(answer.json(), parser["reranked_index"])
    scores = selected(answer.json(), parser["relevance_score"])
    # As many scores as documents, or the search fails.
    assert places == wanted
    assert scores == sorted(scores, reverse=True)


def test_elasticsearch_as_to_hugging_face(running, wanted):
    body = json.dumps({"texts": TEXTS, "query": QUERY})
    headers = {"authorization": f"Bearer {running.key}"}
    found = posted(running, f"{HERE}/rerank", headers, body).json()
    assert [result["index"] for result in found] == wanted
    # It throws at any other key.
    assert all(result.keys() == {"index", "score"} for result in found)


def selected(answer, path):
    """What a path such as `$.results[*].index` selects."""
    found = re.fullmatch(r"\$\.(\w+)\[\*\]\.(\w+)", path)
    return [each[found[2]] for each in answer[found[1]]]


def test_elasticsearch_searches_with_the_endpoint():
    requests = requests_of("elasticsearch.console")
    [path] = [path for path in requests if path.startswith("PUT ")]
    retriever = requests["GET /passages/_search"]["retriever"]["text_similarity_reranker"]
    assert path.endswith(f"/{retriever['inference_id']}")
    assert retriever["field"] == "text"


@pytest.mark.parametrize("path", ["/v2/rerank", "/v1/rerank"])
def test_weaviate(running, wanted, path):
    settings = requests_of("weaviate.console")["POST /v1/schema"]["moduleConfig"]["reranker-cohere"]
    fields = {"documents": TEXTS, "query": QUERY, "model": settings["model"]}
    body = json.dumps({**fields, "return_documents": False})
    headers = {"authorization": f"Bearer {running.key}", "request-source": "unspecified:weaviate"}
    answer = posted(running, settings["baseURL"] + path, headers, body)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["index"] for result in results] == wanted
    assert all(isinstance(result["relevance_score"], float) for result in results)
    refused = posted(running, settings["baseURL"] + path, {"authorization": "Bearer no"}, body)
    assert refused.status_code == 401
    assert isinstance(refused.json()["message"], str)


def test_weaviates_own_container_is_not_stood_in_for(running):
    body = json.dumps({"query": QUERY, "documents": TEXTS, "property": ""})
    headers = {"authorization": f"Bearer {running.key}"}
    assert "scores" not in posted(running, f"{HERE}/rerank", headers, body).json()
    ready = httpx.get(f"{running.address}/.well-known/ready", headers=headers)
    assert ready.status_code == 404
