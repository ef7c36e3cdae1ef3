"""OpenSearch and Elasticsearch, by what their HTTP APIs have in common: `_bulk` and `_msearch`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from data.retrievers.retriever import check_depth, check_passages, storable
from data.retrievers.server import Ask, Server, named
from reranker.errors import DataError, InputError, RemoteError
from reranker.passage import Passage, indexed_text
from reranker.run import Run

DEEPEST = 10_000
"""The servers' `index.max_result_window`, unless it was changed."""

_BULK = 4 * 2**20
_TOGETHER = 32


class OpenSearch:
    """An index on a server of either kind over title and text, by its analyzer `english`.

    An index that holds these passages already is searched as it is; one that an interruption
    left unfinished is filled up. Indices stay on the server until somebody deletes them.

    Raises:
        DataError: for a collection without passages, or an index that holds others.
        RemoteError: where the server refuses, or does not answer.
        MissingExtraError: where httpx is not installed.
        SettingsError: for a key that no HTTP header can hold.
    """

    def __init__(self, passages: Mapping[str, Passage], server: Server) -> None:
        check_passages(passages, "OpenSearch")
        self._ids, self._server = list(passages), server
        texts = [storable(indexed_text(passage)) for passage in passages.values()]
        with server.connected() as ask:
            self._created(ask, _print_of(texts))
            if _count(ask) != len(texts):
                self._fill(ask, texts)

    def search(self, queries: Mapping[str, str], *, depth: int = 100) -> Run:
        """The best `depth` passages of each query that share a word with it.

        Equal scores keep the order of the index.

        Raises:
            InputError: for a depth below 1, or beyond what servers answer.
            RemoteError: where a search fails, or only a part of the index answers.
        """
        check_depth(depth)
        if depth > DEEPEST:
            raise InputError(f"a server gives at most {DEEPEST:,} passages, depth asks {depth:,}")
        texts, rankings = list(queries.values()), []
        with self._server.connected() as ask:
            for start in range(0, len(texts), _TOGETHER):
                rankings += _found(ask, texts[start : start + _TOGETHER], depth)
        scored = [[(self._ids[place], score) for place, score in each] for each in rankings]
        return Run("opensearch", dict(zip(queries, scored, strict=True)))

    def _created(self, ask: Ask, print_: str) -> None:
        """Make the index where there is none."""
        try:
            found = ask("GET", "/_mapping")
        except RemoteError as error:
            if error.status != 404:
                raise
            ask("PUT", "", json.dumps({"mappings": _mappings(print_)}))
            return
        match list(found.values()):
            case [{"mappings": {"_meta": {"passages": held}}}] if held == print_:
                return
        raise DataError(
            f"the index {self._server.index} at {self._server.url} holds other passages; name "
            "another, or delete it there"
        )

    def _fill(self, ask: Ask, texts: Sequence[str]) -> None:
        for lines in _bulks(texts):
            answer = ask("POST", "/_bulk", lines)
            if answer.get("errors") is not False:
                raise RemoteError(f"{self._server.url} did not take all passages{_first(answer)}")
        ask("POST", "/_refresh")
        if (count := _count(ask)) != len(texts):
            raise RemoteError(
                f"the index {self._server.index} at {self._server.url} holds {count} passages, "
                f"not {len(texts)}; delete it there, and start again"
            )


def _mappings(print_: str) -> dict[str, Any]:
    fields = {"text": {"type": "text", "analyzer": "english"}, "place": {"type": "integer"}}
    return {"_meta": {"passages": print_}, "dynamic": "strict", "properties": fields}


def _print_of(texts: Iterable[str]) -> str:
    """The same for the same texts in the same order."""
    digest = sha256()
    for text in texts:
        data = text.encode()
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def _bulks(texts: Iterable[str]) -> Iterator[str]:
    """Passages as `_bulk` takes them, some megabytes at a time; a place is its document's id."""
    held: list[str] = []
    size = 0
    for place, text in enumerate(texts):
        lines = f'{{"index":{{"_id":"{place}"}}}}\n{json.dumps({"place": place, "text": text})}\n'
        if held and size + len(lines) > _BULK:
            yield "".join(held)
            held, size = [], 0
        held.append(lines)
        size += len(lines)
    yield "".join(held)


def _found(ask: Ask, texts: Sequence[str], depth: int) -> list[list[tuple[int, float]]]:
    """The places and scores that answer each text."""
    # Scores by the words' counts in all shards, however many an index has.
    path = "/_msearch?search_type=dfs_query_then_fetch"
    answer = ask("POST", path, "".join(f"{{}}\n{_search(text, depth)}\n" for text in texts))
    found = [_hits(each) for each in answer.get("responses", ())]
    if len(found) != len(texts):
        raise RemoteError(f"{len(texts)} searches were asked, and {len(found)} answered")
    return found


def _search(text: str, depth: int) -> str:
    query = {"match": {"text": storable(text)}}
    order = ["_score", {"place": "asc"}]
    return json.dumps({"query": query, "size": depth, "sort": order, "_source": False})


def _hits(answer: Any) -> list[tuple[int, float]]:
    """Places and scores, which are what hits are sorted by."""
    match answer:
        case {"timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": list(hits)}}:
            return [_hit(hit) for hit in hits]
    raise RemoteError(f"a search failed, or only a part of its index answered{named(answer)}")


def _hit(hit: object) -> tuple[int, float]:
    match hit:
        case {"sort": [int() | float() as score, int() as place]}:
            return place, float(score)
    raise RemoteError("a hit is of another shape; expected its score and place in 'sort'")


def _count(ask: Ask) -> int:
    match ask("GET", "/_count"):
        case {"count": int(count)}:
            return count
    raise RemoteError("the server did not tell how many passages its index holds")


def _first(answer: Mapping[str, Any]) -> str:
    """The first error of a `_bulk`."""
    items = (item.get("index") for item in answer.get("items", ()))
    return next(filter(None, map(named, items)), "")
