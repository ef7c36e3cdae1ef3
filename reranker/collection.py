"""Test collections: passages, queries and relevance judgments, read from a BEIR folder."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reranker.errors import DataError
from reranker.files import reading
from reranker.passage import Passage
from reranker.qrels import Qrels, read_qrels

SPLITS_BY_PREFERENCE = ("test", "dev")


@dataclass(frozen=True, slots=True)
class Collection:
    """A test collection; ids are strings throughout.

    `passages` maps a passage id to its passage, `queries` a query id to its text, and `qrels` a
    query id to its judged passages and their grades (0 is judged and not relevant).
    """

    name: str
    passages: Mapping[str, Passage]
    queries: Mapping[str, str]
    qrels: Qrels = field(default_factory=dict)

    def __repr__(self) -> str:
        judgments = sum(map(len, self.qrels.values()))
        return (
            f"Collection({self.name!r}, {len(self.passages)} passages, "
            f"{len(self.queries)} queries, {judgments} judgments)"
        )


def read_beir(folder: str | Path, split: str | None = None) -> Collection:
    """Read a folder in BEIR layout; every file may be gzipped.

    It holds `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and, where
    there are judgments, `qrels/<split>.tsv`; passages alone will do. With judgments, the queries
    are those judged in the split; `split=None` takes test, else dev, else the only one there is.

    Raises:
        DataError: for a file that is missing or a line that cannot be read.
    """
    folder = Path(folder)
    corpus, path = _find(folder, "corpus.jsonl"), _qrels_path(folder, split)
    asked = path or any(map(Path.is_file, _either(folder, "queries.jsonl")))
    queries = _find(folder, "queries.jsonl") if asked else None
    qrels = read_qrels(path) if path else {}
    passages = {row["_id"]: _as_passage(row) for row in _rows(corpus)}
    texts = {row["_id"]: row["text"] for row in _rows(queries)} if queries else {}
    return Collection(folder.resolve().name, passages, _judged(texts, qrels, path), qrels)


def splits(folder: str | Path) -> list[str]:
    """The names of the splits that a BEIR folder has judgments for, sorted."""
    return sorted(_qrels_files(Path(folder)))


def default_split(folder: str | Path) -> str | None:
    """The split that `read_beir` takes where none is named; None without judgments.

    Raises:
        DataError: for several splits of which none is test or dev.
    """
    names = splits(folder)
    preferred = [name for name in SPLITS_BY_PREFERENCE if name in names]
    if preferred or len(names) < 2:
        return next(iter(preferred or names), None)
    raise DataError(f"{folder} has judgments for {names}; say which split to read")


def _either(folder: Path, name: str) -> tuple[Path, Path]:
    """Where a file may be: plain or gzipped."""
    return folder / name, folder / f"{name}.gz"


def _find(folder: Path, name: str) -> Path:
    """`name` or `name`.gz in a folder."""
    for path in _either(folder, name):
        if path.is_file():
            return path
    raise DataError(
        f"{folder} holds neither {name} nor {name}.gz, which a folder in BEIR layout must; "
        f"it holds: {_listing(folder)}"
    )


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "nothing, for it is " + ("a file" if folder.exists() else "not there")
    names = sorted(entry.name for entry in folder.iterdir())
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") or "nothing"


def _qrels_files(folder: Path) -> dict[str, Path]:
    """The judgment file of each split."""
    found = [path for suffix in ("tsv", "tsv.gz") for path in folder.glob(f"qrels/*.{suffix}")]
    return {path.name.split(".tsv")[0]: path for path in found}


def _qrels_path(folder: Path, split: str | None) -> Path | None:
    files = _qrels_files(folder)
    wanted = default_split(folder) if split is None else split
    if wanted is not None and wanted not in files:
        raise DataError(
            f"{folder} has no judgments for split {wanted!r}; it has: {sorted(files) or 'none'}"
        )
    return None if wanted is None else files[wanted]


def _judged(texts: dict[str, str], qrels: Qrels, path: Path | None) -> dict[str, str]:
    """The queries that are judged, in the order of the queries' file."""
    if path is None:
        return texts
    judged = {id_: text for id_, text in texts.items() if id_ in qrels}
    if qrels and not judged:
        raise DataError(
            f"no query of {path} is among the {len(texts)} queries beside it, for example "
            f"{next(iter(qrels))!r}; are these judgments of another collection?"
        )
    return judged


def _as_passage(row: Mapping[str, str]) -> Passage:
    return Passage(row["text"], row["_id"], row.get("title") or None)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The JSON objects of a file, each with a string `_id` and `text`."""
    seen: set[str] = set()
    try:
        with reading(path) as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    row = _row(line, f"{path}:{number}")
                    if row["_id"] in seen:
                        raise DataError(f"{path}:{number}: id {row['_id']!r} appears twice")
                    seen.add(row["_id"])
                    yield row
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); is it whole, and UTF-8?") from error


def _row(line: str, place: str) -> dict[str, str]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{place}: not JSON ({error})") from error
    if not isinstance(row, dict) or row.get("_id") is None or not isinstance(row.get("text"), str):
        raise DataError(
            f"{place}: expected a JSON object with '_id' and a string 'text', found {line[:60]!r}"
        )
    if not isinstance(row.get("title"), str | None):
        raise DataError(f"{place}: 'title' must be a string, found {row['title']!r}")
    return row | {"_id": str(row["_id"])}
