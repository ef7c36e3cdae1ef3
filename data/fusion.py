"""Fusion of several first stages' runs into one."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from reranker.errors import InputError, MissingExtraError
from reranker.run import Run

_LAST = "~" * 8
_DIGITS = 12


def fuse(runs: Sequence[Run], *, k: int = 60) -> Run:
    """Fuse runs by their ranks alone (reciprocal-rank fusion; Cormack et al., SIGIR 2009).

    A passage scores the sum, over the runs that rank it, of 1 / (k + rank). Of equal scores, what
    an earlier run ranks comes first, in its order. A query is in the fused run that is in any.

    Raises:
        InputError: for fewer than two runs, or a negative `k`.
        MissingExtraError: where ranx is not installed.
    """
    if len(runs) < 2 or k < 0:
        raise InputError(f"fusion takes at least 2 runs and a k from 0, found {len(runs)} and {k}")
    found = {
        query: list(dict.fromkeys(chain.from_iterable(run.ids(query) for run in runs)))
        for query in chain.from_iterable(run.rankings for run in runs)
    }
    scores = _scores([[run.ids(query) for query in found] for run in runs], k) if found else []
    rankings = {
        query: sorted(((id_, fused[id_]) for id_ in ids), key=lambda line: -line[1])
        for (query, ids), fused in zip(found.items(), scores, strict=True)
    }
    return Run("+".join(run.name for run in runs), rankings)


def _scores(runs: Sequence[Sequence[Sequence[str]]], k: int) -> list[dict[str, float]]:
    """Each query's fused scores, from the ids that each run ranks for each query, best first."""
    names: dict[str, str] = {}
    tables = [
        {_id(place): _table(ids, names) for place, ids in enumerate(rankings)} for rankings in runs
    ]
    fused = _fused(tables, k)
    ids = {name: id_ for id_, name in names.items()}
    return [
        # Sums of the same terms in another order are to be equal.
        {ids[name]: round(score, _DIGITS) for name, score in fused[query].items() if name in ids}
        for query in tables[0]
    ]


def _table(ids: Sequence[str], names: dict[str, str]) -> dict[str, float]:
    """One ranking as ranx wants it.

    It compiles anew for every length of the longest id: all get one length. It sorts by score and
    would shuffle ties: scores fall by one a place. It fails where a run is empty: each ranking
    ends with a name of no passage, which leaves the ranks of the others as they are.
    """
    ranked = [names.setdefault(id_, _id(len(names))) for id_ in ids]
    return {name: -float(place) for place, name in enumerate([*ranked, _LAST])}


def _fused(tables: Sequence[Mapping[str, Mapping[str, float]]], k: int) -> Any:
    try:
        import ranx
    except ImportError as error:
        raise MissingExtraError("ranx", "eval", "fusing first stages") from error
    with warnings.catch_warnings():
        # numba warns of a cast within ranx.
        warnings.simplefilter("ignore")
        runs = [ranx.Run(table) for table in tables]
        return ranx.fuse(runs, norm=None, method="rrf", params={"k": k}).to_dict()


def _id(number: int) -> str:
    return f"{number:08d}"
