"""Logs as JSON, a line an event: names, counts and times; never a text, never a key.

An exception is told by its type and the lines of code it went through: its message may quote
what a client sent.
"""

import json
import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType

_ROOMS = ("serve", "reranker")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `event`, and the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            entry |= {"error": kind.__name__, "at": _frames(trace)}
        return json.dumps(entry, default=repr)


def configure(level: str) -> None:
    """Write the logs of `serve` and `reranker` to standard error as JSON, and nowhere else."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    for room in _ROOMS:
        logger = logging.getLogger(room)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def event(logger: logging.Logger, name: str, fields: Mapping[str, object]) -> None:
    """Log one event with its fields."""
    logger.info(name, extra={"fields": fields})


def failure(logger: logging.Logger, name: str, error: BaseException, **fields: object) -> None:
    """Log an error by its type and place, without its message."""
    told = {**fields, "error": type(error).__name__, "at": _frames(error.__traceback__)}
    logger.error(name, extra={"fields": told})


def _frames(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(trace)]
