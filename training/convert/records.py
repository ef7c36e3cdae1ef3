"""Records of a file in another project's format: JSON lines, a JSON array, or a table."""

from collections.abc import Iterator
from pathlib import Path

from training.lines import Advance, opened, parse_json, read_lines
from training.skips import RowError
from training.tables import load_table

_TABLES = frozenset({".parquet", ".arrow"})
_TEXTS = frozenset({".jsonl", ".json", ".gz"})


def read_records(
    source: str | Path, split: str = "train", advance: Advance | None = None
) -> Iterator[tuple[str, object]]:
    """`(place, record)` of every record; a line of JSON comes as its bytes, to be parsed yet.

    What is no file is a name for `datasets`. `advance` is told how many more bytes were read.

    Raises:
        DataError: for a file that is not there, not whole, or an array that is not JSON.
        MissingExtraError: for a table or a name where `datasets` is not installed.
    """
    path = Path(source)
    if path.suffix in _TABLES or not (path.is_file() or path.suffix in _TEXTS):
        records: Iterator[object] = iter(load_table(source, split))
    elif _is_array(path):
        records = iter(_array(path))
    else:
        yield from read_lines(path, advance)
        return
    for number, record in enumerate(records):
        yield f"{source}[{number}]", record
    if advance is not None and path.is_file():
        advance(path.stat().st_size)


def as_record(found: object) -> object:
    """The record itself, parsed where it is a line of JSON.

    Raises:
        RowError: for a line that is not JSON.
    """
    return parse_json(found) if isinstance(found, bytes) else found


def _is_array(path: Path) -> bool:
    """Whether a `.json` file is one array, not lines under that name."""
    if ".json" not in path.suffixes or not path.is_file():
        return False
    with opened(path) as stream:
        return stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def _array(path: Path) -> list[object]:
    with opened(path) as stream:
        try:
            records = parse_json(stream.read())
        except RowError as error:
            raise error.at(str(path)) from error
    return records if isinstance(records, list) else [records]
