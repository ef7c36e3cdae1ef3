"""A conversion: a file of another format in, a file of rows out, and what came of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from reranker.errors import DataError, InputError
from training.convert.conversations import Answers, from_conversation
from training.convert.converted import Converted
from training.convert.flagembedding import from_flagembedding
from training.convert.labeled_lists import from_labeled_list
from training.convert.records import as_record, read_records
from training.convert.tevatron import from_tevatron
from training.lines import Advance
from training.row import Row
from training.rows import write_rows
from training.skips import OnError, Skips, kept

Converter = Callable[[object], Converted]


class Format(StrEnum):
    """The formats that can be read."""

    CONVERSATIONS = "conversations"
    LABELED_LISTS = "labeled-lists"
    TEVATRON = "tevatron"
    FLAGEMBEDDING = "flagembedding"


_CONVERTERS: dict[Format, Converter] = {
    Format.CONVERSATIONS: from_conversation,
    Format.LABELED_LISTS: from_labeled_list,
    Format.TEVATRON: from_tevatron,
    Format.FLAGEMBEDDING: from_flagembedding,
}


@dataclass(slots=True)
class Summary:
    """What a conversion wrote, left out and mended; `repairs` counts rows by what was wrong."""

    written: int = 0
    skips: Skips = field(default_factory=Skips)
    repairs: Counter[str] = field(default_factory=Counter)


def convert(
    source: str | Path,
    target: str | Path,
    kind: str,
    *,
    answers: Answers = "complete",
    on_error: OnError = "skip",
    split: str = "train",
    advance: Advance | None = None,
) -> Summary:
    """Convert a file, or a data set by name, to rows; the target appears whole or not at all.

    `kind` is one of `Format`. `answers` is for conversations: see `from_conversation`.

    Raises:
        InputError: for a format that is not known.
        RowError: for a record of no use, with `on_error="raise"`.
        DataError: for a source that cannot be read, or that held no usable row.
    """
    summary = Summary()
    records = read_records(source, split, advance)
    rows = _rows(records, _converter(kind, answers), on_error, summary)
    summary.written = write_rows(_some(rows, source, kind, summary), target)
    return summary


def _converter(kind: str, answers: Answers) -> Converter:
    if kind not in list(Format):
        raise InputError(f"no format {kind!r}; there are {', '.join(Format)}")
    if kind == Format.CONVERSATIONS:
        return partial(from_conversation, answers=answers)
    return _CONVERTERS[Format(kind)]


def _rows(
    records: Iterator[tuple[str, object]], converter: Converter, on_error: OnError, summary: Summary
) -> Iterator[Row]:
    def parse(found: object) -> Converted:
        converted = converter(as_record(found))
        converted.row.check_trainable()
        return converted

    for converted in kept(records, parse, on_error=on_error, skips=summary.skips):
        summary.repairs.update(converted.repairs)
        yield converted.row


def _some(rows: Iterator[Row], source: str | Path, kind: str, summary: Summary) -> Iterator[Row]:
    """The rows, of which there must be one."""
    first = next(rows, None)
    if first is None:
        examples = summary.skips.examples.values()
        reason = next(iter(examples), "it is empty")
        raise DataError(f"{source} holds no usable record in format {kind!r}: {reason}")
    yield first
    yield from rows
