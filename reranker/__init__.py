"""Listwise LLM reranking with single-token decoding: one forward pass, a whole ranking.

>>> from reranker import Reranker
>>> ranking = Reranker().rank("who wrote Dune?", ["Frank Herbert wrote Dune.", "Dunes are sand."])
>>> ranking[0].text, ranking[0].score

Names are loaded when first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reranker.checkpoint import Checkpoint, load
    from reranker.client import AsyncClient, Client
    from reranker.collection import Collection
    from reranker.errors import RerankerError
    from reranker.explanation import Explanation
    from reranker.passage import Passage
    from reranker.ranking import RankedPassage, Ranking
    from reranker.reranker import Reranker
    from reranker.run import Run
    from reranker.settings import Settings

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "client",
    "Checkpoint": "checkpoint",
    "Client": "client",
    "Collection": "collection",
    "Explanation": "explanation",
    "Passage": "passage",
    "RankedPassage": "ranking",
    "Ranking": "ranking",
    "Reranker": "reranker",
    "RerankerError": "errors",
    "Run": "run",
    "Settings": "settings",
    "load": "checkpoint",
}

__all__ = [
    "AsyncClient",
    "Checkpoint",
    "Client",
    "Collection",
    "Explanation",
    "Passage",
    "RankedPassage",
    "Ranking",
    "Reranker",
    "RerankerError",
    "Run",
    "Settings",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
