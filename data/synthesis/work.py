"""The work file: what a long command has finished, so that it goes on where it was stopped.

One JSON line a piece of work, found by a digest of all that decides its result: other settings
find nothing, and lose nothing of what was done under the first ones.
"""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

from data.journal import append, entries


def digest(*facts: object) -> str:
    """A key for what these facts decide; they must have a `repr` that tells them apart."""
    return blake2b(repr(facts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class WorkFile:
    """Finished work by key, appended line by line; a line cut short by a kill is passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, Any] = dict(_read(path)) if path.is_file() else {}

    def get(self, key: str) -> Any | None:
        """What was finished under a key, as JSON has it, or None."""
        return self._done.get(key)

    def add(self, key: str, result: object) -> None:
        """Append what is finished, on a line of its own."""
        line = json.dumps({"key": key, "result": result})
        append(self.path, [line])
        self._done[key] = json.loads(line)["result"]


def _read(path: Path) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for values in entries(path):
        try:
            found.append((values["key"], values["result"]))
        except (KeyError, TypeError):
            continue
    return found
