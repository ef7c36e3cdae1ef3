"""A collection and a first stage's run for bulk jobs, over the tiny model."""

import json
from collections.abc import Mapping
from pathlib import Path

from reranker.cli.options import RerankerOptions
from reranker.passage import Passage
from reranker.run import Run, write_trec
from serve.bulk.cluster import ClusterOptions
from serve.bulk.first_stage import FirstStage
from serve.bulk.job import BulkJob

PASSAGES = {
    f"p{n}": Passage(f"passage {n} " + "ab " * (n * 7 % 5), f"p{n}", "Odd" if n % 2 else None)
    for n in range(80)
}


def queries_of(count: int) -> dict[str, str]:
    """So many queries by id; the fourth is poisoned."""
    texts = {f"q{n}": f"which number is {n}?" for n in range(count)}
    return texts | {"q3": " \t "} if count > 3 else texts


def candidates_of(count: int, depth: int) -> dict[str, list[str]]:
    """Candidates of so many queries, best first; the queries do not stand in their ids' order."""
    return {f"q{n}": [f"p{(7 * n + j) % 80}" for j in range(depth)] for n in reversed(range(count))}


def save_collection(
    folder: Path, queries: Mapping[str, str], passages: Mapping[str, Passage] = PASSAGES
) -> Path:
    """A collection in BEIR layout."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"_id": p.id, "title": p.title or "", "text": p.text} for p in passages.values()]
    asked = [{"_id": id_, "text": text} for id_, text in queries.items()]
    for name, lines in {"corpus": rows, "queries": asked}.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def save_run(path: Path, candidates: Mapping[str, list[str]]) -> Path:
    """A TREC run of these candidates."""
    rankings = {
        query: [(id_, float(-place)) for place, id_ in enumerate(ids)]
        for query, ids in candidates.items()
    }
    write_trec(Run("first", rankings), path)
    return path


def saved(folder: Path, count: int, depth: int) -> FirstStage:
    """A first stage of so many queries with as many candidates each."""
    collection = save_collection(folder / "collection", queries_of(count))
    run = save_run(folder / "first.trec", candidates_of(count, depth))
    return FirstStage(collection=collection, run=run)


def job_of(first_stage: FirstStage, output: Path, model: Path, *, shard: int = 2) -> BulkJob:
    """A job over the tiny model."""
    return BulkJob(
        first_stage=first_stage,
        options=RerankerOptions(model=str(model)),
        shard=shard,
        cluster=ClusterOptions(),
        output=output,
    )
