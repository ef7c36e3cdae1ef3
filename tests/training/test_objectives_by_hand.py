"""Each ranking loss against its formula, written out in plain arithmetic."""

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.objectives import (
    adr_mse,
    approx_ndcg,
    lambdarank,
    listmle,
    listnet,
    ndcg_loss2pp,
    p_listmle,
    ranknet,
    softmax_cross_entropy,
    weighted_ranknet,
)

Floats = Sequence[float]


def row(scores: Floats, labels: Floats) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.tensor([list(scores)], dtype=torch.float64),
        torch.tensor([list(labels)]),
        torch.ones(1, len(scores), dtype=torch.bool),
    )


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def close(found: Tensor, expected: float) -> None:
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


# Scores 1, 0, 2 for labels 2, 1, 0: the best comes second, the last first.
SCORES, LABELS = (1.0, 0.0, 2.0), (2, 1, 0)


def test_ranknet() -> None:
    close(
        ranknet(*row(SCORES, LABELS)), (0.31326168751822286 + 1.3132616875182228 + softplus(2)) / 3
    )
    close(ranknet(*row(SCORES, (1, 0, 0))), (softplus(-1) + softplus(1)) / 2)
    close(ranknet(*row(SCORES, (1, 0, 0)), temperature=0.5), (softplus(-2) + softplus(2)) / 2)


def test_weighted_ranknet() -> None:
    expected = (softplus(-1) / (1 + 2) + softplus(1) / (1 + 3) + softplus(2) / (2 + 3)) / 3
    close(weighted_ranknet(*row(SCORES, LABELS)), expected)
    # The two that tie share rank 2.
    close(weighted_ranknet(*row(SCORES, (1, 0, 0))), (softplus(-1) + softplus(1)) / 3 / 2)


def test_lambdarank() -> None:
    # Gains 3, 1, 0 over 3 + 1/log2(3); the model's ranks are 2, 3, 1.
    ideal = 3 + 1 / math.log2(3)
    d = {rank: 1 / math.log2(1 + rank) for rank in (1, 2, 3)}
    expected = (
        2 / ideal * abs(d[2] - d[3]) * softplus(-1)
        + 3 / ideal * abs(d[2] - d[1]) * softplus(1)
        + 1 / ideal * abs(d[3] - d[1]) * softplus(2)
    )
    close(lambdarank(*row(SCORES, LABELS)), expected)


def test_lambdarank_within_the_top_k() -> None:
    # Only the passage at the model's rank 1, the last one, makes pairs; maxDCG@1 is 3.
    d = {rank: 1 / math.log2(1 + rank) for rank in (1, 2, 3)}
    expected = 3 / 3 * (d[1] - d[2]) * softplus(1) + 1 / 3 * (d[1] - d[3]) * softplus(2)
    close(lambdarank(*row(SCORES, LABELS), k=1), expected)
    close(lambdarank(*row(SCORES, LABELS), k=3), lambdarank(*row(SCORES, LABELS)).item())


def test_ndcg_loss2pp() -> None:
    ideal = 3 + 1 / math.log2(3)
    d = {rank: 1 / math.log2(1 + rank) for rank in (1, 2, 3)}
    near, far = d[1] - d[2], d[2] - d[3]  # ranks one apart and two apart
    expected = (
        2 / ideal * (abs(d[2] - d[3]) + 5 * near) * softplus(-1)
        + 3 / ideal * (abs(d[2] - d[1]) + 5 * near) * softplus(1)
        + 1 / ideal * (abs(d[3] - d[1]) + 5 * far) * softplus(2)
    )
    close(ndcg_loss2pp(*row(SCORES, LABELS), mu=5.0), expected)


def test_listnet() -> None:
    targets = [math.exp(y) / (math.exp(2) + math.e + 1) for y in (2, 1, 0)]
    logs = [s - math.log(math.exp(1) + 1 + math.exp(2)) for s in SCORES]
    close(listnet(*row(SCORES, LABELS)), -sum(t * x for t, x in zip(targets, logs, strict=True)))
    sharp = [math.exp(2 * y) / (math.exp(4) + math.exp(2) + 1) for y in (2, 1, 0)]
    close(
        listnet(*row(SCORES, LABELS), label_temperature=0.5),
        -sum(t * x for t, x in zip(sharp, logs, strict=True)),
    )


def test_softmax_cross_entropy() -> None:
    total = math.log(math.exp(1) + 1 + math.exp(2))
    close(softmax_cross_entropy(*row(SCORES, (1, 0, 0))), total - 1)
    close(softmax_cross_entropy(*row(SCORES, (1, 3, 0))), ((total - 1) + total) / 2)
    close(softmax_cross_entropy(*row(SCORES, (1, 3, 0)), relevant_from=2), total)
    warm = math.log(math.exp(0.5) + 1 + math.exp(1))
    close(softmax_cross_entropy(*row(SCORES, (1, 0, 0)), temperature=2.0), warm - 0.5)


def test_graded_softmax_cross_entropy_weighs_passages_by_their_labels() -> None:
    total = math.log(math.exp(1) + math.exp(0) + math.exp(2))
    found = softmax_cross_entropy(*row((1.0, 0.0, 2.0), (3, 0, 1)), graded=True)
    close(found, 0.75 * (total - 1) + 0.25 * (total - 2))
    estimates = softmax_cross_entropy(*row((1.0, 0.0, 2.0), (0.5, 0, 0.5)), graded=True)
    close(estimates, total - 1.5)
    assert softmax_cross_entropy(*row((1.0, 0.0, 2.0), (0, 0, 0)), graded=True).item() == 0


def test_listmle() -> None:
    steps = [math.log(math.e + 1 + math.exp(2)) - 1, math.log(1 + math.exp(2)) - 0, 0.0]
    close(listmle(*row(SCORES, LABELS)), sum(steps))


def test_listmle_with_ties_compares_each_with_all_that_are_labelled_no_higher() -> None:
    below = math.log(1 + math.exp(2))
    expected = (math.log(math.e + 1 + math.exp(2)) - 1) + (below - 0) + (below - 2)
    close(listmle(*row(SCORES, (1, 0, 0))), expected)


def test_listmle_leaves_tied_passages_together() -> None:
    scores = torch.tensor([[0.0, 1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    listmle(scores, torch.tensor([[1, 0, 0]]), torch.ones(1, 3, dtype=torch.bool)).backward()
    assert scores.grad is not None
    assert scores.grad[0, 1].item() == pytest.approx(scores.grad[0, 2].item())


def test_p_listmle() -> None:
    # Weights 2^2 − 1, 2^1 − 1, 2^0 − 1 over their sum 4.
    steps = [math.log(math.e + 1 + math.exp(2)) - 1, math.log(1 + math.exp(2))]
    close(p_listmle(*row(SCORES, LABELS)), (3 * steps[0] + 1 * steps[1]) / 4)


def test_p_listmle_shares_the_weights_of_tied_ranks() -> None:
    below = math.log(1 + math.exp(2))
    first = math.log(math.e + 1 + math.exp(2)) - 1
    close(p_listmle(*row(SCORES, (1, 0, 0))), (3 * first + 0.5 * (below + below - 2)) / 4)


def test_approx_ndcg() -> None:
    ranks = [1 + sigmoid(-1) + sigmoid(1), 1 + sigmoid(1) + sigmoid(2)]
    ideal = 3 + 1 / math.log2(3)
    expected = -(3 / math.log2(1 + ranks[0]) + 1 / math.log2(1 + ranks[1])) / ideal
    close(approx_ndcg(*row(SCORES, LABELS)), expected)


def test_approx_ndcg_is_minus_the_ndcg_where_alpha_is_high() -> None:
    # The best at rank 2, the second at rank 3.
    ideal = 3 + 1 / math.log2(3)
    close(
        approx_ndcg(*row(SCORES, LABELS), alpha=200.0),
        -(3 / math.log2(3) + 1 / math.log2(4)) / ideal,
    )


def test_adr_mse() -> None:
    found = [1 + sigmoid(-1) + sigmoid(1), 1 + sigmoid(1) + sigmoid(2), 1 + sigmoid(-1)]
    found[2] += sigmoid(-2)
    errors = [(true - rank) ** 2 for true, rank in zip((1, 2, 3), found, strict=True)]
    expected = (errors[0] / 1 + errors[1] / math.log2(3) + errors[2] / math.log2(4)) / 3
    close(adr_mse(*row(SCORES, LABELS)), expected)


def test_adr_mse_is_0_for_the_teachers_order_with_ties_together() -> None:
    close(adr_mse(*row((100.0, 0.0, 0.0), (7, 1, 1))), 0.0)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(-6, 6), st.integers(0, 4)),
        min_size=2,
        max_size=9,
        unique_by=lambda p: p[0],
    )
)
def test_lambda_losses_follow_their_definition(case: list[tuple[float, int]]) -> None:
    scores, labels = zip(*case, strict=True)
    assume(len(set(labels)) > 1)
    ranks = [1 + sum(other > score for other in scores) for score in scores]
    best = sorted(labels, reverse=True)
    ideal = sum((2**y - 1) / math.log2(2 + place) for place, y in enumerate(best))
    rank_part = step_part = 0.0
    for i, j in ((i, j) for i in range(len(case)) for j in range(len(case))):
        if labels[i] <= labels[j]:
            continue
        pair = (2 ** labels[i] - 2 ** labels[j]) / ideal * softplus(scores[j] - scores[i])
        apart = abs(ranks[i] - ranks[j])
        rank_part += pair * abs(1 / math.log2(1 + ranks[i]) - 1 / math.log2(1 + ranks[j]))
        step_part += pair * abs(1 / math.log2(1 + apart) - 1 / math.log2(2 + apart))
    close(lambdarank(*row(scores, labels)), rank_part)
    close(ndcg_loss2pp(*row(scores, labels)), rank_part + 10 * step_part)
