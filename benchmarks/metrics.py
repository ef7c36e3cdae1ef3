"""Measures of a run against judgments, query by query, computed by ranx.

nDCG@10 has linear gains, as in trec_eval. MRR@10 and Recall@100 need a binary judgment: a passage
is relevant from grade 1 on, on the TREC Deep Learning collections from grade 2 on, as their
organisers do (Craswell et al., arXiv 2003.07820).
"""

import warnings
from collections.abc import Mapping, Sequence

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
    ranked = [query for query in qrels if run.ids(query)]
    zeros = dict.fromkeys(qrels, 0.0)
    if not ranked:
        return {measure: dict(zeros) for measure in MEASURES}
    found = _scores([(qrels[query], run.ids(query)) for query in ranked], relevant_from)
    return {measure: zeros | dict(zip(ranked, found[measure], strict=True)) for measure in MEASURES}


def _scores(
    judged: Sequence[tuple[Mapping[str, int], Sequence[str]]], relevant_from: int
) -> dict[str, list[float]]:
    """Each measure for each pair of judgments and ranked ids."""
    # Importing ranx compiles, so it is done here alone.
    try:
        import ranx
    except ImportError as error:
        raise MissingExtraError("ranx", "eval", "evaluating a run") from error
    names = {
        NDCG: "ndcg@10",
        MRR: f"mrr@10-l{relevant_from}",
        RECALL: f"recall@100-l{relevant_from}",
    }
    pairs = {_id(place): _renamed(*pair) for place, pair in enumerate(judged)}
    run = ranx.Run({query: ranked for query, (_, ranked) in pairs.items()})
    with warnings.catch_warnings():
        # numba warns of a cast within ranx, of the hashes that it compares ids by.
        warnings.simplefilter("ignore")
        qrels = ranx.Qrels({query: grades for query, (grades, _) in pairs.items()})
        ranx.evaluate(qrels, run, list(names.values()))
    return {
        measure: [float(run.scores[name][query]) for query in pairs]
        for measure, name in names.items()
    }


def _renamed(
    grades: Mapping[str, int], ids: Sequence[str]
) -> tuple[dict[str, int], dict[str, float]]:
    """One query's judgments and ranking as ranx wants them.

    ranx compiles anew, for a minute, for every length of the longest id: all get one length. It
    sorts by score and would shuffle ties: scores fall by one a place.
    """
    names = {id_: _id(place) for place, id_ in enumerate(dict.fromkeys([*grades, *ids]))}
    ranked = {names[id_]: float(len(ids) - place) for place, id_ in enumerate(ids)}
    return {names[id_]: grade for id_, grade in grades.items()}, ranked


def _id(number: int) -> str:
    return f"{number:08d}"
