"""Training objectives: pure functions of scores, labels and a mask, and what names them in recipes.

A ranking loss reads `(batch, passages)` scores, labels (higher = better) and a bool mask (true for
real passages) and gives the mean over the rows that teach anything; a row without two differently
labelled passages does not, and a batch of such rows is exactly 0. Padding carries no weight and no
gradient, targets are detached, and the order of candidates changes nothing. A language-modelling
loss reads the logits of the target permutation's tokens. Nothing here knows of models.
"""

from training.objectives.absolute import absolute_relevance
from training.objectives.joint import joint
from training.objectives.lambdarank import lambdarank, ndcg_loss2pp
from training.objectives.language_modelling import (
    importance_aware,
    importance_weights,
    language_modelling,
)
from training.objectives.listmle import listmle, p_listmle
from training.objectives.listwise import listnet, softmax_cross_entropy
from training.objectives.objective import Objective, PassageScores, TokenLogits
from training.objectives.pairwise import ranknet, weighted_ranknet
from training.objectives.rank_distillation import adr_mse
from training.objectives.ranks import labels_of_ranks, mean_ranks_of_labels, ranks_of_labels
from training.objectives.registry import (
    LANGUAGE_LOSSES,
    RANKING_LOSSES,
    LanguageLoss,
    RankingLoss,
    language_loss,
    parameters_of,
    ranking_loss,
)
from training.objectives.smooth import approx_ndcg

__all__ = [
    "LANGUAGE_LOSSES",
    "RANKING_LOSSES",
    "LanguageLoss",
    "Objective",
    "PassageScores",
    "RankingLoss",
    "TokenLogits",
    "absolute_relevance",
    "adr_mse",
    "approx_ndcg",
    "importance_aware",
    "importance_weights",
    "joint",
    "labels_of_ranks",
    "lambdarank",
    "language_loss",
    "language_modelling",
    "listmle",
    "listnet",
    "mean_ranks_of_labels",
    "ndcg_loss2pp",
    "p_listmle",
    "parameters_of",
    "ranking_loss",
    "ranknet",
    "ranks_of_labels",
    "softmax_cross_entropy",
    "weighted_ranknet",
]
