"""Files, written whole or not at all."""

import gzip
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Open a text file that takes `path`'s place when the block ends without an error.

    A link stays a link, and a file that is replaced keeps its mode.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        os.close(handle)
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(temporary, "wt", encoding="utf-8", newline="\n") as stream:
            yield stream
        temporary.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a whole text file, so that a reader sees the old one or the new one."""
    with replacing(path) as stream:
        stream.write(text)


@contextmanager
def reading(path: Path) -> Iterator[IO[str]]:
    """Open a text file, gzipped or not, as UTF-8 with or without a byte order mark.

    Raises:
        OSError: for a file that cannot be read, a damaged or truncated archive among them.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as stream:
            yield stream
    except (EOFError, zlib.error) as error:
        raise OSError(f"the archive is damaged: {error}") from error
