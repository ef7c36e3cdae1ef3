"""The embedded collection: the documentation of Python's standard library, with judged queries.

Its passages are read from the running interpreter, so there is real text to rank on every
machine, without a download. Its queries and judgments (`queries.jsonl`, `qrels/*.tsv`, in BEIR's
formats) were written by this project: questions as a user asks them, mostly in other words than
the documentation's, each with the passages pooled from BM25 and a dense retriever and graded by
reading them: 3 answers the question, 2 answers a part of it, 1 is related. Passages differ a
little from one Python version to the next, so compare scores measured under the same one.
"""

from data.embedded.judgments import read_judgments, read_queries
from data.embedded.passages import read_passages
from data.embedded.resolution import resolve
from reranker.collection import Collection

__all__ = ["load"]


def load(split: str = "test") -> Collection:
    """The passages, with the queries and judgments of `split`: "dev", "test" or "all".

    Judgments of passages that the running Python does not have are left out.

    Raises:
        DataError: for another split, or an interpreter that has no sources on disk.
    """
    judgments = read_judgments(split)
    passages = read_passages()
    qrels = resolve(judgments, passages)
    queries = {id_: text for id_, text in read_queries().items() if id_ in qrels}
    return Collection(f"embedded-{split}", passages, queries, qrels)
