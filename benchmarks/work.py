"""Work files: what long runs have finished, query by query, so that they go on where they stopped.

One file of JSON lines a configuration, named after its digest. A line is appended when its query
is finished; a line cut short by a crash is skipped when the file is read.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data.journal import append, entries
from reranker.errors import DataError
from reranker.passage import Passage

FOLDER = Path("benchmarks/runs")
DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """One query reranked: ids and scores, best first, and what it took.

    `windows` and `tokens` are counts, None where the reranker does not tell; `seconds` is wall
    time, shared evenly among the queries of a batch.
    """

    ids: tuple[str, ...]
    scores: tuple[float, ...]
    seconds: float
    windows: int | None = None
    tokens: int | None = None


def digest(value: object) -> str:
    """A short digest of anything that JSON can hold."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def task_key(order: str, query_id: str, query: str, passages: Sequence[Passage]) -> str:
    """What a line is found by: the order, the query and the very texts that are reranked."""
    texts = [query, *((passage.id, passage.title, passage.text) for passage in passages)]
    return f"{order} {query_id} {digest(texts)}"


class WorkFile:
    """The finished queries of one configuration; the name is for people, the digest finds it."""

    def __init__(self, name: str, configuration: Mapping[str, object], folder: Path = FOLDER):
        safe = "".join(sign if sign.isalnum() or sign in "-._" else "-" for sign in name)
        ending = f"-{digest(configuration)}.jsonl"
        self.path = next(folder.glob(f"*{ending}"), folder / (safe[:60] + ending))
        self._configuration = dict(configuration)
        self._outcomes = _read(self.path) if self.path.is_file() else {}

    def __len__(self) -> int:
        return len(self._outcomes)

    def get(self, key: str) -> Outcome | None:
        """The outcome of a finished query, or None."""
        return self._outcomes.get(key)

    def add(self, outcomes: Mapping[str, Outcome]) -> None:
        """Append finished queries, by key."""
        lines = [json.dumps({"key": key, **asdict(outcomes[key])}) for key in outcomes]
        if not self.path.exists():
            lines.insert(0, json.dumps({"configuration": self._configuration}, default=str))
        append(self.path, lines)
        self._outcomes.update(outcomes)

    def forget(self) -> None:
        """Remove the file, to start afresh."""
        self.path.unlink(missing_ok=True)
        self._outcomes.clear()


def _read(path: Path) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    for values in entries(path):
        if "key" in values:
            key = values.pop("key")
            outcomes[key] = _outcome(values, path)
    return outcomes


def _outcome(values: Mapping[str, object], path: Path) -> Outcome:
    try:
        outcome = Outcome(**values)  # type: ignore[arg-type]
    except TypeError as error:
        raise DataError(f"{path} is a work file of another version ({error}); remove it") from error
    return Outcome(
        **(asdict(outcome) | {"ids": tuple(outcome.ids), "scores": tuple(outcome.scores)})
    )
