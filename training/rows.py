"""Rows in files: JSON lines, which need nothing, and the formats of `datasets`, which need it."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from reranker.errors import DataError
from reranker.files import replacing
from training.lines import parse_json, read_lines
from training.row import Row
from training.skips import Item, OnError, Skips, kept
from training.tables import import_datasets, load_table, plain

_TABLES = (".parquet", ".arrow", ".csv")

_log = logging.getLogger(__name__)


def read_rows(
    path: str | Path,
    *,
    on_error: OnError = "raise",
    skips: Skips | None = None,
    labelled: bool = True,
) -> Iterator[Row]:
    """Read the rows of a JSONL file, gzipped or not, one at a time.

    With `on_error="skip"` rows of no use are left out and counted in `skips`, or else in one
    warning at the end. `labelled=False` lets rows pass that prefer no passage to another, such
    as a teacher is to rank.

    Raises:
        RowError: for a row of no use, naming file and line.
        DataError: for a file that is not there or not whole, even where rows are skipped.
    """
    path = Path(path)
    if path.suffix in _TABLES:
        raise DataError(f"{path} is not JSON lines; read it with training.rows.from_datasets")
    parse = parser(parse_json, labelled=labelled)
    return _read(read_lines(path), parse, str(path), on_error, skips)


def from_datasets(
    name_or_path: str | Path,
    split: str = "train",
    *,
    on_error: OnError = "raise",
    skips: Skips | None = None,
    labelled: bool = True,
) -> Iterator[Row]:
    """Read rows through `datasets`: a file it knows, a folder it saved, or a name on the hub.

    Raises:
        RowError: for a row of no use, naming its number from 0.
        DataError: for what `datasets` cannot load.
        MissingExtraError: where `datasets` is not installed.
    """
    table = load_table(name_or_path, split)
    rows = ((f"{name_or_path}[{number}]", row) for number, row in enumerate(table))
    return _read(rows, parser(plain, labelled=labelled), str(name_or_path), on_error, skips)


def write_rows(rows: Iterable[Row], path: str | Path) -> int:
    """Write rows as JSONL, gzipped where the path ends in `.gz`, whole or not at all.

    Returns how many there were.
    """
    count = 0
    with replacing(Path(path)) as stream:
        for row in rows:
            stream.write(_line(row) + "\n")
            count += 1
    return count


def to_datasets(rows: Iterable[Row]) -> Any:
    """A `datasets.Dataset` of the rows, with the columns of the JSONL and nulls for what lacks.

    Raises:
        DataError: for text that no UTF-8 file can hold.
        MissingExtraError: where `datasets` is not installed.
    """
    datasets = import_datasets()
    text = datasets.Value("string")
    features = {
        "query": text,
        "passages": datasets.List({"id": text, "title": text, "text": text}),
        "relevance": datasets.List(datasets.Value("float64")),
        "ranking": datasets.List(datasets.Value("int64")),
        "others": datasets.List(
            {"query": text, "relevance": datasets.List(datasets.Value("float64"))}
        ),
    }
    columns = [_columns(row) for row in rows]
    try:
        return datasets.Dataset.from_list(columns, features=datasets.Features(features))
    except UnicodeEncodeError as error:
        raise DataError(f"a text has lone surrogates ({error}); clean it first") from error


def parser(read: Callable[[Item], object], *, labelled: bool = True) -> Callable[[Item], Row]:
    """A function from what `read` understands to a row, checked for use in training."""

    def parse(item: Item) -> Row:
        row = Row.parse(read(item))
        if labelled:
            row.check_trainable()
        return row

    return parse


def _read(
    items: Iterable[tuple[str, Item]],
    parse: Callable[[Item], Row],
    name: str,
    on_error: OnError,
    skips: Skips | None,
) -> Iterator[Row]:
    counted = Skips() if skips is None else skips
    yield from kept(items, parse, on_error=on_error, skips=counted)
    if skips is None and counted.total:
        _log.warning("%s: %s; the first: %s", name, counted, next(iter(counted.examples.values())))


def _line(row: Row) -> str:
    values = row.as_dict()
    line = json.dumps(values, ensure_ascii=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:  # lone surrogates, which only an escape can hold
        return json.dumps(values)
    return line


def _columns(row: Row) -> dict[str, object]:
    passages = [{"id": p.id, "title": p.title, "text": p.text} for p in row.passages]
    return {
        "query": row.query,
        "passages": passages,
        "relevance": row.relevance and list(row.relevance),
        "ranking": row.ranking if row.ranking is None else list(row.ranking),
        "others": [
            {"query": other.query, "relevance": list(other.relevance)} for other in row.others
        ],
    }
