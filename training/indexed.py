"""Rows of a file by number, without holding them: only where each line begins is kept."""

import mmap
import shutil
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

from reranker.errors import DataError
from training.lines import opened, parse_json
from training.row import Row
from training.rows import parser
from training.skips import OnError, Skips, kept

_parse = parser(parse_json)
_Span = tuple[int, int]


class IndexedRows:
    """The usable rows of a JSONL file, gzipped or not, as a sequence.

    The file is read through once, when it is opened: rows of no use are counted in `skips`, or
    raised with `on_error="raise"`. After that a row is parsed when it is asked for. A gzipped
    file is unzipped into a temporary one, gone with the object. Safe to use from several
    threads and forked workers; pickled, it opens its file anew.

    Raises:
        RowError: for a row of no use, with `on_error="raise"`.
        DataError: for a file that is not there, not whole, or without a usable row.
    """

    def __init__(self, path: str | Path, *, on_error: OnError = "skip") -> None:
        self.path = Path(path)
        self.on_error: OnError = on_error
        self.skips = Skips()
        self._bytes = _mapped(self.path)
        self._starts, self._ends = array("Q"), array("Q")
        spans = kept(self._lines(), self._checked, on_error=on_error, skips=self.skips)
        for start, end in spans:
            self._starts.append(start)
            self._ends.append(end)
        if not self._starts:
            raise DataError(_barren(self.path, self.skips))

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> Row:
        return _parse(self._bytes[self._starts[number] : self._ends[number]])

    def __repr__(self) -> str:
        return f"IndexedRows({str(self.path)!r}, {len(self):,} rows, {self.skips})"

    def __reduce__(self) -> tuple[object, ...]:
        return _reopened, (self.path, self.on_error)

    def _checked(self, span: _Span) -> _Span:
        _parse(self._bytes[slice(*span)])
        return span

    def _lines(self) -> Iterator[tuple[str, _Span]]:
        """`(file:number, (start, end))` of every line that is not blank."""
        start = number = 0
        while start < len(self._bytes):
            newline = self._bytes.find(b"\n", start)
            end = len(self._bytes) if newline < 0 else newline + 1
            number += 1
            if self._bytes[start:end].strip():
                yield f"{self.path}:{number}", (start, end)
            start = end


def _reopened(path: Path, on_error: OnError) -> IndexedRows:
    return IndexedRows(path, on_error=on_error)


def _mapped(path: Path) -> mmap.mmap | bytes:
    """A file's bytes in memory that the system pages in and out."""
    with opened(path) as stream:
        if path.suffix != ".gz":
            return _map(stream.fileno())
        with tempfile.TemporaryFile() as unzipped:
            shutil.copyfileobj(stream, unzipped, 1 << 20)
            unzipped.flush()
            return _map(unzipped.fileno())


def _map(file: int) -> mmap.mmap | bytes:
    try:
        return mmap.mmap(file, 0, access=mmap.ACCESS_READ)
    except ValueError:  # an empty file cannot be mapped
        return b""


def _barren(path: Path, skips: Skips) -> str:
    first = next(iter(skips.examples.values()), None)
    found = f"{skips}; the first: {first}" if first else "it is empty"
    return f"{path} holds no row to train on ({found}); give a file of rows"
