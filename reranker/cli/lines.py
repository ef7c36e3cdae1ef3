"""Lines in and lines out: files, gzipped or not, and the standard streams."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, cast

from reranker.cli.terminal import use_stdout
from reranker.errors import DataError
from reranker.files import replacing

DASH = "-"


def is_stream(path: Path | None) -> bool:
    """Whether a standard stream is meant: no path, or `-`."""
    return path is None or str(path) == DASH


def read_lines(path: Path | None) -> Iterator[tuple[str, str]]:
    """`(place, line)` of every line that is not blank; the place is `file:number`.

    Raises:
        DataError: for a file that cannot be read or a line that is not UTF-8.
    """
    name = "stdin" if is_stream(path) else str(path)
    try:
        with _opened(path) as stream:
            for number, raw in enumerate(stream, 1):
                line = _decoded(raw, f"{name}:{number}")
                if line.strip():
                    yield f"{name}:{number}", line
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{name} cannot be read ({reason}); is it there, and whole?") from error


def _opened(path: Path | None) -> AbstractContextManager[IO[bytes]]:
    if path is None or is_stream(path):
        return nullcontext(sys.stdin.buffer)
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _decoded(raw: bytes, place: str) -> str:
    try:
        return raw.decode("utf-8").lstrip("\ufeff").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 ({error.reason} at byte {error.start})") from error


@contextmanager
def writing(path: Path | None) -> Iterator[IO[str]]:
    """Open the output: stdout line by line, or a file that appears whole at the end.

    Raises:
        DataError: for a path that is a folder.
    """
    if path is None or is_stream(path):
        use_stdout(encoding="utf-8", line_buffering=True)
        yield sys.stdout
        return
    # Through links, so that a link stays one; and never in the place of a device or pipe.
    path = path.resolve()
    if path.is_dir():
        raise DataError(f"the output {path} is a folder; give a file in it")
    special = path.exists() and not path.is_file()
    with path.open("w", buffering=1, encoding="utf-8") if special else replacing(path) as stream:
        yield stream
