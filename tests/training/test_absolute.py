"""Absolute relevance: the loss by hand, and a model that learns to tell rows apart."""

import math

import pytest
import torch

from reranker import Reranker
from reranker.errors import SettingsError
from tests.training.test_trainer import LEARNS
from tests.training.toy import toy_recipe
from training.job import train
from training.objectives import Objective, PassageScores, absolute_relevance
from training.recipe import Recipe


def batch():
    scores = torch.tensor([[2.0, -1.0, 9.0], [0.5, 0.0, -3.0]], dtype=torch.float64)
    labels = torch.tensor([[3.0, 0.25, 1.0], [0.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    return scores.requires_grad_(), labels, mask


def softplus(x):
    return math.log1p(math.exp(x))


def test_by_hand():
    # Of the first row the padding is left out; the second has no positive, and counts.
    first = (softplus(-2.0) + 0.25 * softplus(1.0) + 0.75 * softplus(-1.0)) / 2
    second = (softplus(0.5) + softplus(0.0) + softplus(-3.0)) / 3
    assert absolute_relevance(*batch()).item() == pytest.approx((first + second) / 2)


def test_gradients():
    scores, labels, mask = batch()
    assert torch.autograd.gradcheck(lambda s: absolute_relevance(s, labels, mask), (scores,))
    absolute_relevance(scores, labels, mask).backward()
    assert scores.grad[0, 2] == 0
    assert (scores.grad[1] > 0).all()
    assert scores.grad[0, 0] < 0


def test_nothing_but_padding_is_zero():
    scores, labels, mask = batch()
    assert absolute_relevance(scores, labels, torch.zeros_like(mask)).item() == 0


def test_it_is_added_by_its_weight():
    passages = PassageScores(*batch())
    plain = Objective.parse("ranknet")
    added = Recipe.parse("data: [{path: x}]\nobjective: ranknet\nabsolute: 0.5").parsed_objective()
    wanted = plain(passages) + 0.5 * absolute_relevance(*batch())
    torch.testing.assert_close(added(passages), wanted)


def test_the_result_carries_that_its_scores_are_absolute():
    assert Recipe.parse("data: [{path: x}]\nabsolute: 0.5").settings().absolute
    assert not Recipe.parse("data: [{path: x}]").settings().absolute
    with pytest.raises(SettingsError, match="absolute must be at least 0"):
        Recipe.parse("data: [{path: x}]\nabsolute: -1")


def test_a_trained_model_puts_the_relevant_above_the_null_candidate(toy, tmp_path):
    recipe = toy_recipe(toy, *LEARNS, "absolute=1")
    reranker = Reranker(train(recipe, tmp_path / "out"), device="cpu")
    assert reranker.settings.absolute
    best, rest = reranker.rank("which 1", ["no", "yes"])
    assert best.text == "yes"
    assert best.relevance > 0.5 > rest.relevance
