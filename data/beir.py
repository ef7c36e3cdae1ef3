"""Collections written in BEIR layout, as `reranker.collection.read_beir` reads them."""

import json
from collections.abc import Iterable
from pathlib import Path

from reranker.collection import Collection
from reranker.files import replacing


def write_beir(collection: Collection, folder: Path, *, split: str = "test") -> None:
    """Write a collection's corpus, queries and, where there are any, judgments."""
    passages = collection.passages.items()
    _lines(
        folder / "corpus.jsonl",
        ({"_id": id_, "title": p.title or "", "text": p.text} for id_, p in passages),
    )
    queries = collection.queries.items()
    _lines(folder / "queries.jsonl", ({"_id": id_, "text": text} for id_, text in queries))
    if collection.qrels:
        with replacing(folder / "qrels" / f"{split}.tsv") as file:
            file.write("query-id\tcorpus-id\tscore\n")
            for query, grades in collection.qrels.items():
                file.writelines(f"{query}\t{id_}\t{grade}\n" for id_, grade in grades.items())


def _lines(path: Path, rows: Iterable[dict[str, str]]) -> None:
    with replacing(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
