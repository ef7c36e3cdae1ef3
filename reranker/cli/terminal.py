"""Text on the terminal: passages may be hostile, so nothing of them acts on it."""

import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

from reranker.errors import RerankerError

if TYPE_CHECKING:
    from rich.console import Console

# What a terminal obeys: CSI sequences, and OSC ones (titles, links) of a bounded length.
_SEQUENCES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    "|(?:\x1b\\]|\x9d)[^\x07\x1b\x9c]{0,512}(?:\x07|\x1b\\\\|\x9c)"
)
_BLOCKS = " ▏▎▍▌▋▊▉"


def one_line(text: str) -> str:
    """Text as one printable line: no control characters, escape sequences or bidi marks."""
    return " ".join("".join(map(_printable, _SEQUENCES.sub("", text))).split())


def short(text: str, width: int) -> str:
    """The beginning of a text, as one printable line of at most `width` characters."""
    line = one_line(text[: 16 * width])
    return line if len(line) <= width else line[: width - 1] + "…"


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    # A format character takes no room: bidi marks, joiners, tags.
    return "" if unicodedata.category(character) == "Cf" else " "


def bar(share: float, width: int) -> str:
    """A bar that fills `share` (0 to 1) of `width` characters."""
    eighths = round(8 * width * min(1.0, max(0.0, share)))
    return "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()


def json_line(value: object) -> str:
    """JSON on one line: readable letters of any script, everything unprintable escaped."""
    line = json.dumps(value, ensure_ascii=False)
    return line if line.isprintable() else "".join(map(_escaped, line))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return json.dumps(character)[1:-1]


def console() -> "Console":
    """A rich console on stdout, which replaces what the terminal's encoding lacks."""
    from rich.console import Console

    use_stdout(errors="replace")
    return Console(highlight=False)


def use_stdout(**settings: object) -> None:
    """Set how stdout encodes and buffers, where it is a text stream over bytes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(**settings)  # type: ignore[arg-type]


def to_stderr(head: str, text: str) -> None:
    """One line on stderr, its head in colour where there is any."""
    from rich.console import Console
    from rich.text import Text

    colour = {"error:": "bold red", "warning:": "yellow"}.get(head, "dim")
    line = Text.assemble((head, colour), " ", text) if text else Text(head)
    Console(stderr=True).print(line, soft_wrap=True, highlight=False)


def run_app(app: Callable[[], object]) -> None:
    """Run a command; an error of the library or the system is one line and exit status 1."""
    # `Group`, which says errors the same way, needs this module.
    from reranker.cli.group import explained, traceback_asked

    try:
        app()
    except (RerankerError, OSError) as error:
        if traceback_asked():
            raise
        to_stderr("error:", explained(error))
        sys.exit(1)
