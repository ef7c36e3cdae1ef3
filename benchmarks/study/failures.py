"""Where reranking failed: of each experiment the query that lost most, by its passages' ids.

The runs that tell the passages are too large to be kept beside the results; what is told of them
here is written into `failures.json` when a part of the study has run.
"""

import json
from pathlib import Path

from benchmarks.metrics import NDCG
from benchmarks.quality import RESULTS
from benchmarks.study.tables import Result, read
from benchmarks.tables import table
from reranker.files import write_atomically
from reranker.run import read_trec

HEAD = ("collection", "query", f"{NDCG} before", "after", "first before", "first after")
FILE = "failures.json"


def record(name: str) -> Path:
    """Write the failures of a part that has just run."""
    rows = [cells for each in read(name)["experiments"] if (cells := _failure(name, each))]
    path = RESULTS / name / FILE
    write_atomically(path, json.dumps(rows, indent=1) + "\n")
    return path


def failures(name: str) -> str:
    """The failures of a part, as a table."""
    return table(HEAD, json.loads((RESULTS / name / FILE).read_text("utf-8")))


def _failure(name: str, experiment: Result) -> list[str] | None:
    """The cells of the query that lost most; None where none lost."""
    first, row = experiment["rows"][:2]
    before, after = (each["per_query"][NDCG] for each in (first, row))
    worst = min(before, key=lambda query: after[query] - before[query])
    if after[worst] >= before[worst]:
        return None
    figures = [f"{each[worst]:.3f}" for each in (before, after)]
    tops = [_top(name, experiment, label, worst) for label in ("", row["label"])]
    return [experiment["collection"], worst, *figures, *tops]


def _top(name: str, experiment: Result, label: str, query: str) -> str:
    """The first passage of a query, from the run that the benchmark kept; "" where it kept none."""
    stem = ".".join(filter(None, (experiment["collection"], experiment["first_stage"], label)))
    path = RESULTS / name / "runs" / f"{'-'.join(stem.split())}.trec.gz"
    return f"`{read_trec(path).ids(query)[0]}`" if path.is_file() else ""
