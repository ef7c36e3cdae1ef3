"""Journals: JSON lines that long work appends as it goes, so that it goes on where it stopped."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def entries(path: Path) -> Iterator[Any]:
    """The values of a journal's lines; a line cut short by a kill is passed over."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def append(path: Path, lines: Sequence[str]) -> None:
    """Append lines, on one of their own where the last was cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = "" if _ends_a_line(path) else "\n"
    with path.open("a", encoding="utf-8") as stream:
        stream.write(before + "".join(f"{line}\n" for line in lines))


def _ends_a_line(path: Path) -> bool:
    """Whether what is appended begins a line."""
    if not path.exists():
        return True
    with path.open("rb") as stream:
        if stream.seek(0, 2) == 0:
            return True
        stream.seek(-1, 2)
        return stream.read(1) == b"\n"
