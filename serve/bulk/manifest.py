"""The manifest: what an output was begun with, by which a later start knows it again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reranker.errors import DataError
from reranker.files import write_atomically

FILE_NAME = "manifest.json"
# Digests and whole texts tell a reader nothing.
_LONGEST = 60


class Manifest:
    """Facts in sections, written once and compared from then on.

    Args:
        folder: the output's.
        bound: whether anything there was made by what a manifest says; else there is none yet.

    Raises:
        DataError: for a file there that is no manifest.
    """

    def __init__(self, folder: Path, *, bound: bool) -> None:
        self._path = folder / FILE_NAME
        self._sections = self._read() if bound else {}

    def agree(self, section: str, facts: Mapping[str, Any]) -> None:
        """Write the facts of a section, or compare them with those that stand there.

        Raises:
            DataError: naming each that differs.
        """
        # As they will be read again: a tuple as a list.
        now: dict[str, Any] = json.loads(json.dumps(facts))
        if section not in self._sections:
            self._sections[section] = now
            write_atomically(self._path, json.dumps(self._sections, indent=2) + "\n")
        elif found := _differences(self._sections[section], now):
            raise DataError(
                f"{self._path.parent} was begun otherwise: {'; '.join(found)}. Go on with what it "
                "was begun with, or give another --output"
            )

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"{self._path} cannot be read ({error}); restore it, or give another --output"
            ) from error


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [_difference(name, before.get(name), now.get(name)) for name in names]


def _difference(name: str, before: object, now: object) -> str:
    if max(len(str(before)), len(str(now))) > _LONGEST:
        return f"{name} is not what it was"
    return f"{name} was {before!r} and is {now!r}"
