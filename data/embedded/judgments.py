"""The queries that this project wrote for the embedded collection, and their judgments."""

import json
from pathlib import Path

from reranker.errors import DataError
from reranker.qrels import Qrels, read_qrels

FOLDER = Path(__file__).parent
SPLITS = ("dev", "test")


def read_queries() -> dict[str, str]:
    """The text of every query by id, both halves."""
    lines = (FOLDER / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    return {query["_id"]: query["text"] for query in map(json.loads, lines)}


def read_judgments(split: str) -> Qrels:
    """The judgments of a split as they are written: query id → passage reference → grade.

    Raises:
        DataError: for a split other than "dev", "test" and "all".
    """
    if split not in (*SPLITS, "all"):
        raise DataError(
            f"the embedded collection has no split {split!r}; it has {', '.join(SPLITS)} and all"
        )
    qrels: Qrels = {}
    for name in SPLITS if split == "all" else (split,):
        qrels |= read_qrels(FOLDER / "qrels" / f"{name}.tsv")
    return qrels
