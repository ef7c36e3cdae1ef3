"""Objectives by name, as recipes give them."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from reranker.errors import SettingsError
from training.objectives.lambdarank import lambdarank, ndcg_loss2pp
from training.objectives.language_modelling import importance_aware, language_modelling
from training.objectives.listmle import listmle, p_listmle
from training.objectives.listwise import listnet, softmax_cross_entropy
from training.objectives.pairwise import ranknet, weighted_ranknet
from training.objectives.rank_distillation import adr_mse
from training.objectives.smooth import approx_ndcg

RankingLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Scores, labels and mask, each `(batch, passages)`, to a scalar."""

LanguageLoss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""`(batch, tokens, vocabulary)` logits; targets, mask and ranks `(batch, tokens)`; to a scalar."""

RANKING_LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "adr_mse": adr_mse,
    "approx_ndcg": approx_ndcg,
    "lambdarank": lambdarank,
    "listmle": listmle,
    "listnet": listnet,
    "ndcg_loss2pp": ndcg_loss2pp,
    "p_listmle": p_listmle,
    "ranknet": ranknet,
    "softmax_cross_entropy": softmax_cross_entropy,
    "weighted_ranknet": weighted_ranknet,
}

LANGUAGE_LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "importance_aware": importance_aware,
    "language_modelling": language_modelling,
}


def ranking_loss(name: str, **parameters: object) -> RankingLoss:
    """The ranking loss of that name, its parameters bound and tried out on a row of two passages.

    Raises:
        SettingsError: for an unknown name, an unknown parameter, or a value out of range.
    """
    loss: RankingLoss = _bind(RANKING_LOSSES, name, parameters)
    loss(torch.zeros(1, 2), torch.tensor([[1, 0]]), torch.ones(1, 2, dtype=torch.bool))
    return loss


def language_loss(name: str, **parameters: object) -> LanguageLoss:
    """The language-modelling loss of that name; none takes parameters so far.

    Raises:
        SettingsError: for an unknown name or parameter.
    """
    bound: LanguageLoss = _bind(LANGUAGE_LOSSES, name, parameters)
    return bound


def parameters_of(name: str) -> dict[str, Any]:
    """The parameters of the loss of that name, with their defaults.

    Raises:
        SettingsError: for an unknown name.
    """
    return _defaults(_find({**RANKING_LOSSES, **LANGUAGE_LOSSES}, name))


def _bind(
    known: Mapping[str, Callable[..., Tensor]], name: str, parameters: Mapping[str, object]
) -> Callable[..., Tensor]:
    loss = _find(known, name)
    defaults = _defaults(loss)
    if unknown := sorted(set(parameters) - set(defaults)):
        takes = f"it takes {sorted(defaults)}" if defaults else "it takes none"
        raise SettingsError(f"objective {name!r} has no parameter(s) {unknown}; {takes}")
    return partial(loss, **parameters)


def _find(known: Mapping[str, Callable[..., Tensor]], name: str) -> Callable[..., Tensor]:
    if name not in known:
        raise SettingsError(f"unknown objective {name!r}; known are {sorted(known)}")
    return known[name]


def _defaults(loss: Callable[..., Tensor]) -> dict[str, Any]:
    parameters = inspect.signature(loss).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
