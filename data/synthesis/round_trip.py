"""Round trip: a query is kept if a search for it finds the passage that it was written for.

Consistency filtering, after Promptagator (Dai et al., arXiv 2209.11755), by any first stage; and
by a reranker after it, as InPars-v2 does (Jeronymo et al., arXiv 2301.01820).
"""

from collections.abc import Sequence
from dataclasses import replace

from tqdm import tqdm

from data.synthesis.work import WorkFile, digest
from reranker.checkpoint import load
from reranker.collection import Collection
from reranker.passage import Passage
from reranker.reranker import Reranker
from reranker.run import Run, ScoredId
from reranker.weights_print import weights_print


def found_again(collection: Collection, run: Run) -> Collection:
    """The collection with those of its queries that have a relevant passage in the run."""
    kept = {
        query: grades
        for query, grades in collection.qrels.items()
        if not grades.keys().isdisjoint(run.ids(query))
    }
    queries = {query: collection.queries[query] for query in kept}
    return replace(collection, queries=queries, qrels=kept)


def reranked(collection: Collection, candidates: Run, model: str | None, work: WorkFile) -> Run:
    """The candidates of each query, reranked, with a progress bar; scores are by rank.

    Args:
        collection: queries, and the passages of the candidates.
        candidates: of every query of the collection.
        model: the reranker's name or folder, as `reranker.checkpoint.load` takes it.
        work: where finished queries are kept.
    """
    checkpoint = load(model)
    # Before there is a reranker, which keeps of the head what it needs.
    facts = weights_print(checkpoint.model)
    reranker = Reranker(checkpoint)
    asked = {q: _asked(collection, q, candidates.ids(q)) for q in collection.queries}
    keys = {q: digest(facts, reranker.settings, *asked[q]) for q in asked}
    left = [q for q in asked if work.get(keys[q]) is None]
    stream = reranker.rank_stream(asked[q] for q in left)
    for place, ranking in tqdm(
        stream, desc="rerank", total=len(left), unit=" queries", disable=None
    ):
        work.add(keys[left[place]], [ranked.id for ranked in ranking])
    return Run("reranked", {q: _by_rank(work.get(keys[q]) or ()) for q in asked})


def _asked(collection: Collection, query: str, ids: Sequence[str]) -> tuple[str, list[Passage]]:
    return collection.queries[query], [collection.passages[id_] for id_ in ids]


def _by_rank(ids: Sequence[str]) -> list[ScoredId]:
    return [(id_, -float(rank)) for rank, id_ in enumerate(ids)]
