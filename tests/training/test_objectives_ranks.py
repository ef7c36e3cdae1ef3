import torch
from hypothesis import given
from hypothesis import strategies as st

from training.objectives import labels_of_ranks, mean_ranks_of_labels, ranks_of_labels
from training.objectives.gains import normalised_gains
from training.objectives.ranks import ranks_of_scores
from training.objectives.smooth import approximate_ranks

MASK = torch.tensor([[True, True, True, True, False]])


def test_tied_labels_share_the_best_rank_or_the_mean() -> None:
    labels = torch.tensor([[2, 5, 2, 0, 9]])
    assert ranks_of_labels(labels, MASK).tolist() == [[2, 1, 2, 4, 0]]
    assert mean_ranks_of_labels(labels, MASK).tolist() == [[2.5, 1.0, 2.5, 4.0, 0.0]]


def test_the_best_rank_is_the_highest_label() -> None:
    ranks = torch.tensor([[3, 1, 4, 2, 0]])
    labels = labels_of_ranks(ranks, MASK)
    assert labels.tolist() == [[2, 4, 1, 3, 0]]
    assert labels.dtype == ranks_of_labels(labels, MASK).dtype == torch.int64


def test_passages_that_the_teacher_did_not_rank_come_last() -> None:
    labels = labels_of_ranks(torch.tensor([[0, 1, 2, 0, 0]]), MASK)
    assert labels.tolist() == [[0, 4, 3, 0, 0]]
    assert ranks_of_labels(labels, MASK).tolist() == [[3, 1, 2, 3, 0]]


@given(st.integers(1, 12).flatmap(lambda n: st.permutations(range(1, n + 1))), st.integers(0, 3))
def test_ranks_come_back_from_their_labels(permutation: list[int], padding: int) -> None:
    ranks = torch.tensor([permutation + [0] * padding])
    mask = ranks > 0
    labels = labels_of_ranks(ranks, mask)
    assert torch.equal(ranks_of_labels(labels, mask), ranks)
    assert torch.equal(mean_ranks_of_labels(labels, mask), ranks.float())
    assert torch.equal(ranks_of_labels(labels.double() / 7, mask), ranks)


def test_ranks_are_of_each_row_and_carry_no_gradient() -> None:
    labels = torch.tensor([[0.1, 0.9], [0.8, 0.2]], requires_grad=True)
    mask = torch.ones(2, 2, dtype=torch.bool)
    assert ranks_of_labels(labels, mask).tolist() == [[2, 1], [1, 2]]
    assert not mean_ranks_of_labels(labels, mask).requires_grad


def test_tied_scores_are_ranked_worst_first_and_padding_after_the_rest() -> None:
    scores = torch.tensor([[1.0, 1.0, 3.0, 1.0, 99.0]], requires_grad=True)
    labels = torch.tensor([[2.0, 0.0, 0.0, 1.0, 0.0]])
    assert ranks_of_scores(scores, labels, MASK).tolist() == [[4, 2, 1, 3, 5]]


def test_approximate_ranks_near_the_true_ones_as_alpha_grows() -> None:
    scores = torch.tensor([[0.0, 2.0, 1.0, -1.0, 50.0]], dtype=torch.float64)
    found = approximate_ranks(scores, MASK, alpha=40.0)[:, :4]
    torch.testing.assert_close(found, torch.tensor([[3.0, 1.0, 2.0, 4.0]], dtype=torch.float64))
    tied = approximate_ranks(torch.zeros(1, 5), MASK)[:, :4]
    torch.testing.assert_close(tied, torch.full((1, 4), 2.5))


def test_gains_are_shares_of_the_ideal_dcg() -> None:
    # Gains 7, 3, 0 at discounts 1, log2(3): ideal 7 + 3 / 1.5849625.
    labels = torch.tensor([[2.0, 0.0, 3.0, -1.0]], dtype=torch.float64)
    ideal = 7 + 3 / 1.5849625007211562
    expected = torch.tensor([[3.0, 0.0, 7.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(normalised_gains(labels), expected / ideal)
    torch.testing.assert_close(normalised_gains(labels, k=1), expected / 7)


def test_gains_are_exact_for_tiny_and_huge_labels() -> None:
    tiny = normalised_gains(torch.tensor([[1e-6, 0.0, 5e-7]]))
    torch.testing.assert_close(tiny[0, 2] / tiny[0, 0], torch.tensor(0.5))
    huge = normalised_gains(torch.tensor([[300.0, 299.0]]))
    torch.testing.assert_close(huge[0, 1] / huge[0, 0], torch.tensor(0.5))
