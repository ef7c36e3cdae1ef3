"""What surrounds every command: one line for an error, log lines on stderr, exit statuses.

0 is success, 1 an error, 2 a wrong use of the command line, 130 Ctrl-C, 141 a reader of the
output that has gone (`| head`).
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from reranker.cli.terminal import one_line, to_stderr
from reranker.errors import RerankerError

TRACEBACK = "RERANKER_TRACEBACK"
MISUSED = 2
INTERRUPTED = 130
READER_GONE = 141

_log = logging.getLogger("reranker")


def _speak_up(context: typer.Context, asked: bool) -> bool:
    if asked:
        context.find_root().obj = "verbose"
        _log.setLevel(logging.DEBUG)
    return asked


Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        callback=_speak_up,
        help=f"Log more, and show the traceback of an error (as {TRACEBACK}=1 does).",
    ),
]


class UsageError(Exception):
    """Arguments that are right one by one and make no sense together."""


class Group(TyperGroup):
    """The commands, run so that what goes wrong ends in one line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _logging():
            try:
                return super().invoke(ctx)
            except BrokenPipeError:
                _discard_output()
                raise typer.Exit(READER_GONE) from None
            except KeyboardInterrupt:
                to_stderr("interrupted", "")
                raise typer.Exit(INTERRUPTED) from None
            except UsageError as error:
                to_stderr("error:", f"{error} (see {ctx.info_name} {ctx.invoked_subcommand} -h)")
                raise typer.Exit(MISUSED) from None
            except (RerankerError, OSError) as error:
                if ctx.obj == "verbose" or traceback_asked():
                    raise
                to_stderr("error:", explained(error))
                raise typer.Exit(1) from None


def traceback_asked() -> bool:
    """Whether the environment asks for an error's traceback."""
    return os.environ.get(TRACEBACK, "0") not in ("", "0")


def explained(error: Exception) -> str:
    """An error's message and notes on one line."""
    message = str(error)
    if isinstance(error, OSError) and error.filename is not None:
        message = f"{error.filename}: {error.strerror}"
    notes = "; ".join(getattr(error, "__notes__", ()))
    return one_line(f"{message} ({notes})" if notes else message)


class _Lines(logging.Handler):
    """Log records as `warning: …` lines on whatever stderr is now."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            to_stderr(f"{record.levelname.lower()}:", one_line(record.getMessage()))
        except Exception:
            self.handleError(record)


@contextmanager
def _logging() -> Iterator[None]:
    """Show the library's log while a command runs: on a terminal, what takes long as well."""
    handler, level, upwards = _Lines(), _log.level, _log.propagate
    _log.addHandler(handler)
    _log.setLevel(logging.INFO if on_terminal() else logging.WARNING)
    _log.propagate = False
    try:
        yield
    finally:
        _log.removeHandler(handler)
        _log.setLevel(level)
        _log.propagate = upwards


def on_terminal() -> bool:
    """Whether somebody may be watching stderr."""
    return sys.stderr.isatty()


def _discard_output() -> None:
    """Send what is still buffered nowhere, or Python complains when it flushes at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
