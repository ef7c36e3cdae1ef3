"""The ledger of a comparison of decodings: what each query's ranking was and took.

One file of JSON lines, of which a broken one is skipped, so that a run goes on where it stopped.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.decoding.generation import Tally
from benchmarks.decoding.meter import Effort
from benchmarks.work import Outcome
from data.journal import append, entries
from reranker.errors import DataError


@dataclass(frozen=True, slots=True)
class Decoded:
    """One query ranked in one way."""

    outcome: Outcome
    effort: Effort
    tally: Tally

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "Decoded":
        """Read what `asdict` made of one."""
        outcome = values["outcome"]
        lists = {name: tuple(outcome[name]) for name in ("ids", "scores")}
        return cls(Outcome(**{**outcome, **lists}), Effort(**values["effort"]),
                   Tally(**values["tally"]))  # fmt: skip


class Ledger:
    """Queries that are done, by key.

    Raises:
        DataError: for a file of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done = dict(_read(path)) if path.is_file() else {}

    def __contains__(self, key: str) -> bool:
        return key in self._done

    def __getitem__(self, key: str) -> Decoded:
        return self._done[key]

    def add(self, key: str, decoded: Decoded) -> None:
        """Append one."""
        append(self._path, [json.dumps({"key": key, **asdict(decoded)})])
        self._done[key] = decoded


def _read(path: Path) -> list[tuple[str, Decoded]]:
    found = []
    for values in entries(path):
        try:
            found.append((values["key"], Decoded.parse(values)))
        except (KeyError, TypeError) as error:
            raise DataError(f"{path} is of another version ({error}); remove it") from error
    return found
