"""Asking: passages are drawn from a corpus, and a model writes queries that they answer."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from data.retrievers.retriever import storable
from data.synthesis.cleaning import Cleaner, Fault
from data.synthesis.work import WorkFile
from data.synthesis.writer import Answers, QueryWriter
from reranker.collection import Collection
from reranker.errors import DataError
from reranker.passage import Passage
from reranker.text import clean


def readable(collection: Collection) -> Collection:
    """A collection's passages alone, as UTF-8 can hold them."""
    passages = {
        id_: Passage(storable(passage.text), id_, passage.title and storable(passage.title))
        for id_, passage in collection.passages.items()
    }
    return Collection(collection.name, passages, {})


def drawn(passages: Mapping[str, Passage], limit: int, seed: int) -> list[str]:
    """The ids of at most `limit` passages with something to read; more begin with the same.

    Raises:
        DataError: for a corpus without any, or an id that judgments cannot hold.
    """
    ids = [id_ for id_ in passages if not is_empty(passages[id_])]
    if not ids:
        raise DataError(f"all of {len(passages)} passages are empty: there is nothing to ask about")
    chosen = [ids[place] for place in np.random.default_rng(seed).permutation(len(ids))[:limit]]
    if odd := [id_ for id_ in chosen if id_.split() != [id_]]:
        raise DataError(
            f"{len(odd)} passage ids are empty or hold white space, which separates the columns of "
            f"judgments, such as {odd[0]!r}; rename them"
        )
    return chosen


def is_empty(passage: Passage) -> bool:
    """Whether there is nothing to read in a passage."""
    return not clean(f"{passage.title or ''} {passage.text}")


def answered(
    writer: QueryWriter, passages: Sequence[Passage], batch: int, work: WorkFile
) -> Iterator[Answers]:
    """What the writer writes of each passage, with a progress bar; batches are kept in `work`."""
    with tqdm(total=len(passages), desc="write", unit=" passages", disable=None) as bar:
        for number, start in enumerate(range(0, len(passages), batch)):
            rows = writer.rows(passages[start : start + batch])
            key = writer.key(rows, number)
            if (found := work.get(key)) is None:
                found = writer.write(rows, number)
                work.add(key, found)
            bar.update(len(rows))
            yield from found


def collected(
    corpus: Collection, ids: Sequence[str], answers: Iterable[Answers], cleaner: Cleaner
) -> tuple[Collection, Counter[Fault]]:
    """The corpus with its synthetic queries, each judged relevant to its passage alone.

    A query is known by its passage's place among those drawn, and its number.
    """
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    faults: Counter[Fault] = Counter()
    for place, (id_, written) in enumerate(zip(ids, answers, strict=True)):
        for number, answer in enumerate(written):
            query = cleaner.query(answer, corpus.passages[id_])
            if isinstance(query, Fault):
                faults[query] += 1
            else:
                name = f"s{place}-{number}"
                queries[name], qrels[name] = query, {id_: 1}
    return Collection(corpus.name, corpus.passages, queries, qrels), faults
