"""FIRST's joint loss: language modelling and a ranking loss, added up."""

from torch import Tensor

from training.objectives.rows import check_positive

FIRST_WEIGHT = 10.0


def joint(language: Tensor, ranking: Tensor, *, weight: float = FIRST_WEIGHT) -> Tensor:
    """L_LM + λ·L_rank, a scalar.

    Reddy et al., "FIRST", arXiv 2406.15657; λ = 10 for weighted RankNet in the authors' code. The
    two are of different size (nats a token, nats a weighted pair), so λ belongs to one pair of
    losses and is to be chosen anew for another.

    Args:
        language: scalar, a loss of `language_modelling.py`.
        ranking: scalar, any ranking loss.
        weight: λ.
    """
    check_positive("weight", weight)
    return language + weight * ranking
