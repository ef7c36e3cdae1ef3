"""Items: what `reranker rank` ranks one after the other, a query and its candidates."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reranker.cli.lines import read_lines
from reranker.cli.terminal import short
from reranker.errors import DataError, InputError
from reranker.passage import Passage, as_passages


@dataclass(frozen=True, slots=True)
class Item:
    """A query to rank passages for; `place` says where it was read, as `file:line`."""

    id: str
    query: str
    passages: list[Passage]
    place: str
    instruction: str | None = None


def read_items(path: Path | None) -> Iterator[Item]:
    """The items of a JSONL file, one a line, or of stdin.

    A line is `{"query": …, "passages": […]}`, with `id` (or `query_id`) and `instruction` where
    there are any; passages are strings or objects with `text` and, maybe, `id` and `title`.
    A query without an id is known by its number among the queries, from 1.

    Raises:
        DataError: for a line that is none of this, naming file and line.
    """
    for number, (place, line) in enumerate(read_lines(path), 1):
        yield _item(_parsed(line, place), number, place)


def read_passages(path: Path | None) -> list[Passage]:
    """Passages of a file, one a line: JSON objects or strings (JSONL), or plain text.

    A file is read as JSONL if it is named so or its first line begins like an object.
    """
    found = list(read_lines(path))
    named = path is not None and ".jsonl" in path.suffixes
    if not named and not (found and found[0][1].lstrip().startswith("{")):
        return [Passage(line) for _, line in found]
    rows = [(place, json_value(line, place)) for place, line in found]
    return [passage for place, row in rows for passage in _passages([row], place)]


def json_value(line: str, place: str) -> object:
    """The JSON value of one line.

    Raises:
        DataError: for a line that is not JSON.
    """
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON ({error}): {short(line, 60)!r}") from error
    return value


def check_trec(items: Iterable[Item]) -> Iterator[Item]:
    """Pass on items whose ids can stand in a TREC run.

    Raises:
        DataError: for an id with white space, or a query's id given twice.
    """
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise DataError(f"{item.place}: a query with id {item.id!r} came before; a run has one")
        seen.add(item.id)
        for id_ in (item.id, *(passage.id for passage in item.passages if passage.id)):
            if len(id_.split()) != 1 or id_ != id_.strip():
                raise DataError(
                    f"{item.place}: id {id_!r} is blank or holds white space, which separates the "
                    "columns of a TREC run; rename it, or write --format jsonl"
                )
        yield item


def _parsed(line: str, place: str) -> Mapping[str, object]:
    row = json_value(line, place)
    if not isinstance(row, dict) or "query" not in row or "passages" not in row:
        found = f"keys {list(row)[:8]}" if isinstance(row, dict) else type(row).__name__
        raise DataError(
            f"{place}: expected a JSON object with 'query' and 'passages', found {found}"
        )
    return row


def _item(row: Mapping[str, object], number: int, place: str) -> Item:
    query, told = row["query"], row.get("instruction")
    if not isinstance(query, str) or not query.strip():
        raise DataError(f"{place}: 'query' must be a string with something in it, found {query!r}")
    if not isinstance(told, str | None):
        raise DataError(f"{place}: 'instruction' must be a string, found {told!r}")
    return Item(_id(row, number, place), query, _passages(row["passages"], place), place, told)


def _id(row: Mapping[str, object], number: int, place: str) -> str:
    found = next((row[key] for key in ("id", "query_id") if row.get(key) is not None), number)
    if not isinstance(found, str | int):
        raise DataError(f"{place}: 'id' must be a string or a whole number, found {found!r}")
    return str(found)


def _passages(passages: object, place: str) -> list[Passage]:
    try:
        return as_passages(passages)  # type: ignore[arg-type]
    except InputError as error:
        raise DataError(f"{place}: {error}") from error
