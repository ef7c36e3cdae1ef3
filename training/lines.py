"""Lines of data files, gzipped or not, as bytes: one bad line never stops the next."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from reranker.errors import DataError
from training.skips import RowError

Advance = Callable[[int], object]


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file's bytes, unzipped where it is named `.gz`.

    Raises:
        DataError: for a file that is not there or not whole.
    """
    try:
        with path.open("rb") as raw:
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); is it there, and whole?") from error


def read_lines(path: Path, advance: Advance | None = None) -> Iterator[tuple[str, bytes]]:
    """`(file:number, line)` of every line that is not blank.

    `advance` is told, as lines are read, how many more bytes of the file on disk they took.

    Raises:
        DataError: for a file that is not there or not whole.
    """
    seen = 0
    with opened(path) as stream:
        raw = cast(IO[bytes], getattr(stream, "fileobj", stream))
        for number, line in enumerate(stream, 1):
            if advance is not None and (position := raw.tell()) > seen:
                advance(position - seen)
                seen = position
            if line.strip():
                yield f"{path}:{number}", line


def parse_json(line: bytes) -> object:
    """The JSON value of one line.

    Raises:
        RowError: for a line that is not JSON in UTF-8.
    """
    try:
        value: object = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RowError(f"not JSON in UTF-8 ({error}): {line[:60]!r}") from error
    return value
