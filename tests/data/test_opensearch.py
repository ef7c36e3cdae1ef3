import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from data.first_stage import retrieve
from data.retrievers.opensearch import OpenSearch
from data.retrievers.server import KEY, Server
from reranker.collection import Collection
from reranker.errors import (
    BusyError,
    DataError,
    InputError,
    MissingExtraError,
    RemoteError,
    SettingsError,
    UnreachableError,
)
from reranker.passage import Passage
from tests.data.search_server import SHARDS, SearchServer, error, serving

pytest.importorskip("httpx")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SearchServer]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv(KEY, raising=False)
    with serving() as found:
        yield found


def searched(hits: Sequence[object] = (), failed: int = 0) -> tuple[int, object]:
    """What `_msearch` answers to one search."""
    shards = {**SHARDS, "failed": failed}
    return 200, {"responses": [{"timed_out": False, "_shards": shards, "hits": {"hits": hits}}]}


@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
def test_passages_are_indexed_and_found(toy: Collection, server: SearchServer, kind: str) -> None:
    asked = replace(toy, queries={"q": "lazy cats purr", "none": "cow"})
    run = retrieve(asked, f"{kind}:{server.url}/toy", depth=2)
    assert run.rankings == {"q": [("cat", 2.0), ("dog", 1.0)], "none": []}
    assert server.asked == [
        "GET /reranker-toy/_mapping",
        "PUT /reranker-toy",
        "GET /reranker-toy/_count",
        "POST /reranker-toy/_bulk",
        "POST /reranker-toy/_refresh",
        "GET /reranker-toy/_count",
        "POST /reranker-toy/_msearch?search_type=dfs_query_then_fetch",
    ]
    assert server.indices["reranker-toy"].texts == {
        "0": "quick brown foxes",
        "1": "lazy dogs sleep",
        "2": "cats purr",
    }


def test_ties_keep_the_order_of_the_index_and_bad_ids_do_no_harm(server: SearchServer) -> None:
    passages = {
        'a"\n{}': Passage("one two\n\ud800"),
        "../b": Passage("two", title="one"),
        "c": Passage("two three"),
    }
    index = OpenSearch(passages, Server.read(f"{server.url}/i"))
    run = index.search({"q": "two one", "none": "four", "": 'two"}\n{"size": 0'}, depth=2)
    assert run.rankings["q"] == [('a"\n{}', 2.0), ("../b", 2.0)]
    assert run.rankings["none"] == []
    assert index.search({}).rankings == {}
    assert index.search({"q": "\udfff two"}).ids("q") == list(passages)


def test_many_queries_and_passages_go_in_parts(
    server: SearchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.retrievers.opensearch._BULK", 120)
    monkeypatch.setattr("data.retrievers.opensearch._TOGETHER", 2)
    passages = {f"p{n}": Passage(f"word{n}") for n in range(5)}
    index = OpenSearch(passages, Server.read(f"{server.url}/i"))
    run = index.search({f"q{n}": f"word{n}" for n in range(5)})
    assert {query: run.ids(query) for query in run.rankings} == {
        f"q{n}": [f"p{n}"] for n in range(5)
    }
    counts = [sum(f"/{part}" in asked for asked in server.asked) for part in ("_bulk", "_msearch")]
    assert counts == [3, 3]


def test_an_index_is_used_again_and_never_overwritten(
    toy: Collection, server: SearchServer
) -> None:
    address = Server.read(f"{server.url}/toy")
    OpenSearch(toy.passages, address)
    server.asked.clear()
    OpenSearch(toy.passages, address)
    assert server.asked == ["GET /reranker-toy/_mapping", "GET /reranker-toy/_count"]
    with pytest.raises(DataError, match="holds other passages; name another"):
        OpenSearch({**toy.passages, "more": Passage("")}, address)
    server.indices["reranker-toy"].mappings.pop("_meta")
    with pytest.raises(DataError, match="holds other passages"):
        OpenSearch(toy.passages, address)


def test_an_interrupted_index_is_filled_up(toy: Collection, server: SearchServer) -> None:
    address = Server.read(f"{server.url}/toy")
    full = {"index": {"_id": "0", **error(429, "es_rejected_execution_exception")[1]}}
    refused = {"took": 1, "errors": True, "items": [{"index": {"status": 201}}, full]}
    server.answers["_bulk"] = [(200, refused)]
    with pytest.raises(RemoteError, match=r"not take all .*\(es_rejected_execution_exception\)"):
        OpenSearch(toy.passages, address)
    OpenSearch(toy.passages, address)
    assert server.indices["reranker-toy"].searchable == 3


def test_an_index_that_stays_short_is_refused(toy: Collection, server: SearchServer) -> None:
    server.answers["_count"] = [(200, {"count": 0}), (200, {"count": 2})]
    with pytest.raises(RemoteError, match="holds 2 passages, not 3"):
        OpenSearch(toy.passages, Server.read(f"{server.url}/toy"))


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (error(503, "no_shard_available_action_exception"), BusyError, "no_shard_available"),
        (error(403, "security_exception"), RemoteError, f"key in {KEY}"),
        ((200, b"<html>SECRET"), RemoteError, "no JSON object"),
        ((502, b"SECRET"), RemoteError, "refused with 502$"),
        ((200, {"responses": []}), RemoteError, "1 searches were asked, and 0 answered"),
        ((200, {"responses": [error(400, "x_exception")[1]]}), RemoteError, r"\(x_exception\)"),
        (searched(failed=1), RemoteError, "only a part"),
        (searched(hits=[{"sort": ["SECRET"]}]), RemoteError, "another shape"),
    ],
)
def test_failures_are_told_without_texts(
    toy: Collection,
    server: SearchServer,
    answer: tuple[int, object],
    kind: type[RemoteError],
    message: str,
) -> None:
    index = OpenSearch(toy.passages, Server.read(f"{server.url}/toy"))
    server.answers["_msearch"] = [answer]
    with pytest.raises(kind, match=message) as failed:
        index.search({"q": "TEXT"})
    assert "SECRET" not in str(failed.value)
    assert "TEXT" not in str(failed.value)


@pytest.mark.parametrize(("key", "sent"), [("abc=", "ApiKey abc="), ("Basic abc=", "Basic abc=")])
def test_the_key_comes_from_the_environment_and_is_never_logged(
    toy: Collection,
    server: SearchServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str,
    sent: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    server.key = sent
    address = Server.read(f"{server.url}/toy")
    with pytest.raises(RemoteError, match=f"401.*give its key in the environment as {KEY}"):
        OpenSearch(toy.passages, address)
    monkeypatch.setenv(KEY, key)
    OpenSearch(toy.passages, address).search(toy.queries)
    assert "abc=" not in caplog.text + repr(address)
    monkeypatch.setenv(KEY, f"{key}\n")
    with pytest.raises(SettingsError) as refused:
        OpenSearch(toy.passages, address)
    assert "abc=" not in str(refused.value)


def test_nothing_answers(toy: Collection, server: SearchServer) -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1 \(ConnectError\)"):
        retrieve(toy, "opensearch:http://127.0.0.1:1/toy")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "no index of a search server"),
        ("toy", "no index of a search server"),
        ("http://127.0.0.1:9200", "no index of a search server"),
        ("http://h:port/toy", "no index of a search server"),
        ("ftp://h/toy", "no index of a search server"),
        ("http://h/toy?x=/y", "no index of a search server"),
        ("http://h/", "'' is no index's name"),
        ("http://h/Toy", "'Toy' is no index's name"),
        ("http://h/_all", "'_all' is no index's name"),
        ("http://h/a,b*", "is no index's name"),
        ("http://me:SECRET@h/toy", "holds a password"),
    ],
)
def test_other_addresses_are_refused(toy: Collection, address: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        retrieve(toy, f"elasticsearch:{address}")
    assert "SECRET" not in str(refused.value)


def test_addresses() -> None:
    assert Server.read("https://h:9200/below/x.1") == Server("https://h:9200/below", "reranker-x.1")
    assert Server.read("http://[::1]:9200/reranker-x").index == "reranker-x"


def test_depths_beyond_a_servers_window(toy: Collection, server: SearchServer) -> None:
    index = OpenSearch(toy.passages, Server.read(f"{server.url}/toy"))
    with pytest.raises(InputError, match="at most 10,000"):
        index.search(toy.queries, depth=10_001)
    with pytest.raises(InputError, match="at least 1"):
        index.search(toy.queries, depth=0)
    with pytest.raises(DataError, match="needs at least one passage"):
        OpenSearch({}, Server.read(f"{server.url}/toy"))


def test_without_httpx_the_extra_is_named(toy: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"reranker\[client\]"):
        retrieve(toy, "opensearch:http://127.0.0.1:9/toy")
