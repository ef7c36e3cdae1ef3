"""Measures of a run against judgments, query by query, computed by ranx.

nDCG@10 has linear gains, as in trec_eval. MRR@10 and Recall@100 need a binary judgment: a passage
is relevant from grade 1 on, on the TREC Deep Learning collections from grade 2 on, as their
organisers do (Craswell et al., arXiv 2003.07820).
"""

import warnings
from collections.abc import Mapping

from reranker.errors import MissingExtraError
from reranker.qrels import Qrels
from reranker.run import Run

NDCG, MRR, RECALL = "nDCG@10", "MRR@10", "Recall@100"
MEASURES = (NDCG, MRR, RECALL)
RELEVANT_FROM = {"msmarco-dl19": 2, "msmarco-dl20": 2, "msmarco-dl21": 2, "msmarco-dl22": 2}

PerQuery = dict[str, float]


def evaluate(run: Run, qrels: Qrels, *, relevant_from: int = 1) -> dict[str, PerQuery]:
    """Each measure for each judged query, in [0, 1]; a query that the run lacks scores 0.

    `relevant_from` is the least grade that counts as relevant for MRR@10 and Recall@100. The
    order of the run counts, whatever its scores.

    Raises:
        MissingExtraError: where ranx is not installed.
    """
    ranked = {query: _by_place(run.ids(query)) for query in qrels if run.ids(query)}
    zeros = dict.fromkeys(qrels, 0.0)
    if not ranked:
        return {measure: dict(zeros) for measure in MEASURES}
    found = _scores({query: qrels[query] for query in ranked}, ranked, relevant_from)
    return {measure: zeros | found[measure] for measure in MEASURES}


def _by_place(ids: list[str]) -> dict[str, float]:
    """Scores that decrease by one a place: ranx sorts by score, and ties would be shuffled."""
    return {id_: float(len(ids) - place) for place, id_ in enumerate(ids)}


def _scores(
    qrels: Qrels, ranked: Mapping[str, Mapping[str, float]], relevant_from: int
) -> dict[str, PerQuery]:
    # ranx compiles its measures at the first use: most of a minute, so it is imported here alone.
    try:
        import ranx
    except ImportError as error:
        raise MissingExtraError("ranx", "eval", "evaluating a run") from error
    names = {
        NDCG: "ndcg@10",
        MRR: f"mrr@10-l{relevant_from}",
        RECALL: f"recall@100-l{relevant_from}",
    }
    run = ranx.Run(ranked)
    with warnings.catch_warnings():
        # numba warns of a cast within ranx, of the hashes that it compares ids by.
        warnings.simplefilter("ignore")
        ranx.evaluate(ranx.Qrels(qrels), run, list(names.values()))
    return {
        measure: {query: float(value) for query, value in run.scores[name].items()}
        for measure, name in names.items()
    }
