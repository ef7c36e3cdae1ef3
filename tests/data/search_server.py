"""A stand-in for OpenSearch and Elasticsearch: their requests checked, their answers' shapes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

SHARDS = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
Answer = tuple[int, Any]


def error(status: int, kind: str) -> Answer:
    reason = {"type": kind, "reason": "SECRET: a text, or the key"}
    return status, {"error": {"root_cause": [reason], **reason}, "status": status}


@dataclass
class Index:
    mappings: dict[str, Any]
    texts: dict[str, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    searchable: int = 0


@dataclass
class SearchServer:
    """`answers` takes the place of what would be answered, by the path's last part, once each."""

    url: str = ""
    key: str | None = None
    indices: dict[str, Index] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)

    def answer(self, method: str, path: str, key: str | None, body: str) -> Answer:
        _, name, *action = path.split("?")[0].split("/")
        self.asked.append(f"{method} {path}")
        if self.key is not None and key != self.key:
            return error(401, "security_exception")
        if (told := self.answers.get(action[0] if action else "")) and (found := told.pop(0)):
            return found
        return getattr(self, f"_{method.lower()}{action[0] if action else ''}")(name, body)

    def _put(self, name: str, body: str) -> Answer:
        if name in self.indices:
            return error(400, "resource_already_exists_exception")
        self.indices[name] = Index(json.loads(body)["mappings"])
        return 200, {"acknowledged": True, "shards_acknowledged": True, "index": name}

    def _get_mapping(self, name: str, body: str) -> Answer:
        if name not in self.indices:
            return error(404, "index_not_found_exception")
        return 200, {name: {"mappings": self.indices[name].mappings}}

    def _get_count(self, name: str, body: str) -> Answer:
        return 200, {"count": self.indices[name].searchable, "_shards": SHARDS}

    def _post_refresh(self, name: str, body: str) -> Answer:
        self.indices[name].searchable = len(self.indices[name].texts)
        return 200, {"_shards": SHARDS}

    def _post_bulk(self, name: str, body: str) -> Answer:
        index, items = self.indices[name], []
        for action, document in pairs(body):
            id_ = action["index"]["_id"]
            assert document.keys() == index.mappings["properties"].keys()
            index.texts[id_], index.places[id_] = document["text"], document["place"]
            told = {"_index": name, "_id": id_, "_version": 1, "result": "created"}
            items.append({"index": {**told, "_shards": SHARDS, "_seq_no": 0, "status": 201}})
        return 200, {"took": 3, "errors": False, "items": items}

    def _post_msearch(self, name: str, body: str) -> Answer:
        responses = []
        for header, search in pairs(body):
            assert header == {}
            assert search["sort"] == ["_score", {"place": "asc"}]
            responses.append(self._searched(name, search))
        return 200, {"took": 3, "responses": responses}

    def _searched(self, name: str, search: Any) -> Any:
        """A passage scores as many as it shares words with the query."""
        index, words = self.indices[name], set(search["query"]["match"]["text"].split())
        scores = {id_: float(len(words & set(text.split()))) for id_, text in index.texts.items()}
        found = sorted((-score, index.places[id_], id_) for id_, score in scores.items() if score)
        hits = [
            {"_index": name, "_id": id_, "_score": None, "sort": [-score, place]}
            for score, place, id_ in found[: search["size"]]
        ]
        total = {"value": len(found), "relation": "eq"}
        told = {"total": total, "max_score": None, "hits": hits}
        return {"took": 1, "timed_out": False, "_shards": SHARDS, "hits": told, "status": 200}


def pairs(body: str) -> Iterator[tuple[Any, Any]]:
    """Two lines at a time; the last one has to end."""
    assert body.endswith("\n")
    rows = [json.loads(line) for line in body[:-1].split("\n")]
    return zip(rows[::2], rows[1::2], strict=True)


@contextmanager
def serving() -> Iterator[SearchServer]:
    """A server on a free port."""
    server = SearchServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version: ClassVar[str] = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            assert self.headers["content-type"] == "application/json"
            key = self.headers.get("authorization")
            status, found = server.answer(self.command, self.path, key, body)
            data = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_PUT = do_POST = do_GET  # noqa: N815

        def log_message(self, *given: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
