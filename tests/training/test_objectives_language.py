import math

import pytest
import torch
from torch import Tensor

from reranker.errors import InputError
from training.objectives import importance_aware, importance_weights, language_modelling

# "B", ">", "A" over a vocabulary of three: the tokens of ranks 1 and 2 and the sign between them.
TARGETS = torch.tensor([[1, 2, 0, -100]])
MASK = torch.tensor([[True, True, True, False]])
RANKS = torch.tensor([[1, 0, 2, 0]])


def logits(*, dtype: torch.dtype = torch.float64) -> Tensor:
    values = [[[0.0, 1.0, 2.0], [0.0, 0.0, 3.0], [-1.0, 2.0, 0.5], [9.0, 9.0, 9.0]]]
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def token_losses() -> list[float]:
    return [
        math.log(1 + math.e + math.exp(2)) - 1,
        math.log(2 + math.exp(3)) - 3,
        math.log(math.exp(-1) + math.exp(2) + math.exp(0.5)) + 1,
    ]


def test_language_modelling_is_the_mean_over_tokens() -> None:
    found = language_modelling(logits(), TARGETS, MASK, RANKS)
    assert found.item() == pytest.approx(sum(token_losses()) / 3)


def test_importance_weights() -> None:
    found = importance_weights(torch.tensor([0, 1, 2, 3, 100]))
    expected = [1, 2, 1 + 1 / math.log2(3), 1.5, 1 + 1 / math.log2(101)]
    assert found.tolist() == pytest.approx(expected)


def test_importance_aware_weighs_the_tokens_of_a_rank_and_not_the_separators() -> None:
    first, sign, second = token_losses()
    expected = (2 * first + sign + (1 + 1 / math.log2(3)) * second) / 3
    found = importance_aware(logits(), TARGETS, MASK, RANKS)
    assert found.item() == pytest.approx(expected)


def test_identifiers_of_several_tokens_weigh_the_same_at_each() -> None:
    ranks = torch.tensor([[1, 1, 1, 0]])
    found = importance_aware(logits(), TARGETS, MASK, ranks)
    assert found.item() == pytest.approx(2 * sum(token_losses()) / 3)


def test_language_modelling_is_what_transformers_computes() -> None:
    loss_utils = pytest.importorskip("transformers.loss.loss_utils")
    torch.manual_seed(0)
    values = torch.randn(3, 7, 11, requires_grad=True)
    labels = torch.randint(0, 11, (3, 8))
    labels[:, :3] = -100
    expected = loss_utils.ForCausalLMLoss(
        torch.nn.functional.pad(values, (0, 0, 0, 1)), labels, vocab_size=11
    )
    targets = labels[:, 1:]
    found = language_modelling(values, targets, targets != -100)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    slope, same = (torch.autograd.grad(loss, values)[0] for loss in (found, expected))
    torch.testing.assert_close(slope, same, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [language_modelling, importance_aware])
def test_padding_has_no_gradient_whatever_stands_there(loss: type) -> None:
    values = logits()
    with torch.no_grad():
        values[0, 3] = float("nan")
    (slope,) = torch.autograd.grad(loss(values, TARGETS, MASK, RANKS), values)
    assert (slope[0, 3] == 0).all()
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("loss", [language_modelling, importance_aware])
def test_gradients_are_those_of_finite_differences(loss: type) -> None:
    assert torch.autograd.gradcheck(lambda x: loss(x, TARGETS, MASK, RANKS), logits())


@pytest.mark.parametrize("loss", [language_modelling, importance_aware])
def test_a_batch_is_the_mean_of_its_rows_of_any_length(loss: type) -> None:
    torch.manual_seed(0)
    values, targets = torch.randn(3, 5, 6), torch.randint(0, 6, (3, 5))
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3, [False] * 5])
    ranks = torch.tensor([[1, 0, 2, 0, 3]] * 3)
    rows = [slice(0, 1), slice(1, 2)]
    alone = torch.stack([loss(values[r], targets[r], mask[r], ranks[r]) for r in rows])
    torch.testing.assert_close(loss(values, targets, mask, ranks), alone.mean())


@pytest.mark.parametrize("loss", [language_modelling, importance_aware])
def test_no_target_token_at_all_is_0(loss: type) -> None:
    values = logits()
    found = loss(values, TARGETS, torch.zeros_like(MASK), RANKS)
    assert found.item() == 0
    assert (torch.autograd.grad(found, values)[0] == 0).all()


@pytest.mark.parametrize("loss", [language_modelling, importance_aware])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_logits_stay_finite(loss: type, dtype: torch.dtype) -> None:
    values = (logits().detach() * 1e4).to(dtype).requires_grad_()
    found = loss(values, TARGETS, MASK, RANKS)
    assert found.dtype == torch.float32
    assert torch.isfinite(found)
    assert torch.isfinite(torch.autograd.grad(found, values)[0]).all()


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="logits must be"):
        language_modelling(logits()[0], TARGETS, MASK)
    with pytest.raises(InputError, match="logits must be"):
        language_modelling(logits(), TARGETS[:, :2], MASK)
    with pytest.raises(InputError, match="mask must be bool"):
        language_modelling(logits(), TARGETS, MASK.long())
    with pytest.raises(InputError, match="ranks must be"):
        importance_aware(logits(), TARGETS, MASK, RANKS[:, :2])
