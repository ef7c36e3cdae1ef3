"""What holds for every ranking loss."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reranker.errors import InputError, SettingsError
from training.objectives import RANKING_LOSSES

Loss = Callable[..., Tensor]
Row = list[tuple[float, int]]

every_loss = pytest.mark.parametrize("name", sorted(RANKING_LOSSES))
passages = st.tuples(st.floats(-20, 20), st.integers(-2, 3))
# Scores and labels both from a few values, so that ties are common.
tied_passages = st.tuples(st.sampled_from([-1.0, 0.0, 2.5]), st.integers(-1, 2))
rows = st.lists(st.one_of(passages, tied_passages), min_size=1, max_size=8)


def tensors(*batch: Row, padding: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    longest = max(map(len, batch)) + padding
    scores = torch.full((len(batch), longest), 7.0, dtype=torch.float64)
    labels = torch.full((len(batch), longest), 9, dtype=torch.int64)
    mask = torch.zeros(len(batch), longest, dtype=torch.bool)
    for place, row in enumerate(batch):
        for column, (score, label) in enumerate(row):
            scores[place, column], labels[place, column] = score, label
            mask[place, column] = True
    return scores.requires_grad_(), labels, mask


def gradient(loss: Tensor, scores: Tensor) -> Tensor:
    return torch.autograd.grad(loss, scores)[0]


@every_loss
@settings(deadline=None, max_examples=25)
@given(row=rows, padding=st.integers(1, 4), filler=st.sampled_from([0.0, 1e4, -1e4, float("nan")]))
def test_padding_changes_nothing(name: str, row: Row, padding: int, filler: float) -> None:
    loss = RANKING_LOSSES[name]
    bare, padded = tensors(row), tensors(row, padding=padding)
    with torch.no_grad():
        padded[0][:, len(row) :] = filler
    value, same = loss(*bare), loss(*padded)
    torch.testing.assert_close(same, value, rtol=1e-9, atol=1e-12)
    slope = gradient(same, padded[0])
    assert (slope[:, len(row) :] == 0).all()
    torch.testing.assert_close(slope[:, : len(row)], gradient(value, bare[0]), rtol=1e-9, atol=1e-9)


@every_loss
@settings(deadline=None, max_examples=25)
@given(case=rows.flatmap(lambda row: st.tuples(st.just(row), st.permutations(row))))
def test_the_order_of_candidates_changes_nothing(name: str, case: tuple[Row, Row]) -> None:
    loss = RANKING_LOSSES[name]
    torch.testing.assert_close(
        loss(*tensors(case[0])), loss(*tensors(case[1])), rtol=1e-9, atol=1e-12
    )


@every_loss
@settings(deadline=None, max_examples=25)
@given(row=rows, shift=st.floats(-50, 50))
def test_scores_count_by_their_differences(name: str, row: Row, shift: float) -> None:
    loss = RANKING_LOSSES[name]
    # Scores that the shift would make equal, or unequal, are another case.
    coarse = [(round(score, 3), label) for score, label in row]
    shifted = [(score + round(shift), label) for score, label in coarse]
    torch.testing.assert_close(
        loss(*tensors(coarse)), loss(*tensors(shifted)), rtol=1e-8, atol=1e-10
    )


@every_loss
def test_a_batch_is_the_mean_of_its_rows_of_any_length(name: str) -> None:
    loss = RANKING_LOSSES[name]
    batch: list[Row] = [
        [(0.5, 1), (-1.0, 0), (2.0, 3)],
        [(1.0, 0), (3.0, 2)],
        [(0.1, 0), (0.2, 1), (0.3, 0), (-0.4, 2), (0.5, 1)],
    ]
    alone = torch.stack([loss(*tensors(row)) for row in batch])
    torch.testing.assert_close(loss(*tensors(*batch)), alone.mean())


@every_loss
@pytest.mark.parametrize(
    "row",
    [
        [(1.0, 0), (2.0, 0), (-3.0, 0)],
        [(1.0, 2), (2.0, 2)],
        [(1.0, 1)],
        [(1.0, 0)],
        [],
    ],
    ids=["no positive", "nothing but positives", "one positive", "one negative", "empty"],
)
def test_a_row_that_teaches_nothing_is_0_and_is_not_counted(name: str, row: Row) -> None:
    loss = RANKING_LOSSES[name]
    scores, labels, mask = tensors(row, padding=1)
    value = loss(scores, labels, mask)
    assert value.item() == 0
    assert (gradient(value, scores) == 0).all()
    useful: Row = [(0.0, 0), (1.0, 2)]
    torch.testing.assert_close(loss(*tensors(useful, row)), loss(*tensors(useful)))


@every_loss
def test_an_empty_batch_is_0(name: str) -> None:
    scores = torch.zeros(0, 3, requires_grad=True)
    value = RANKING_LOSSES[name](scores, torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.bool))
    assert value.item() == 0
    value.backward()


@every_loss
@pytest.mark.parametrize("level", [0.0, -8.0, 1e4])
def test_equal_scores_still_teach_the_right_way(name: str, level: float) -> None:
    scores, labels, mask = tensors([(level, 2), (level, 0), (level, 0)], [(level, 0), (level, 1)])
    slope = gradient(RANKING_LOSSES[name](scores, labels, mask), scores)
    assert torch.isfinite(slope).all()
    assert slope[0, 0] < 0 < slope[0, 1]
    assert slope[1, 1] < 0 < slope[1, 0]


@every_loss
def test_scores_that_are_all_negative_teach_as_any_others(name: str) -> None:
    scores, labels, mask = tensors([(-5.0, 2), (-3.0, 0), (-4.5, 1)])
    value = RANKING_LOSSES[name](scores, labels, mask)
    assert value.item() != 0
    assert gradient(value, scores)[0, 0] < 0


# These read a label below 0 as just another grade; those that need a gain or a positive do not.
ORDINAL = ("adr_mse", "listmle", "listnet", "p_listmle", "ranknet", "weighted_ranknet")


@every_loss
def test_labels_that_are_all_negative(name: str) -> None:
    scores, labels, mask = tensors([(0.0, -3), (1.0, -1), (0.5, -2)])
    value = RANKING_LOSSES[name](scores, labels, mask)
    assert torch.isfinite(gradient(value, scores)).all()
    assert (value.item() != 0) == (name in ORDINAL)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_gradients_are_finite_for_large_scores(name: str, dtype: torch.dtype, size: float) -> None:
    torch.manual_seed(0)
    scores = (torch.linspace(-size, size, 24).reshape(2, 12)[:, torch.randperm(12)]).to(dtype)
    scores.requires_grad_()
    labels = torch.randint(0, 4, (2, 12))
    value = RANKING_LOSSES[name](scores, labels, torch.rand(2, 12) < 0.8)
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    slope = gradient(value, scores)
    assert slope.dtype == dtype
    assert torch.isfinite(slope).all()


@every_loss
def test_a_hundred_ranks_as_labels_do_not_overflow(name: str) -> None:
    scores = torch.linspace(-3, 3, 150).unsqueeze(0).requires_grad_()
    labels = torch.arange(150, 0, -1).unsqueeze(0)
    value = RANKING_LOSSES[name](scores, labels, torch.ones(1, 150, dtype=torch.bool))
    assert torch.isfinite(value)
    # All 150 labels are positives for cross-entropy, which then has nothing to set them against.
    assert (value.item() == 0) == (name == "softmax_cross_entropy")
    assert torch.isfinite(gradient(value, scores)).all()


@every_loss
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    loss = RANKING_LOSSES[name]
    torch.manual_seed(1)
    scores = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[0, 1, 2, 0, 3, 1], [1, 0, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0]])
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [True, True] + [False] * 4])
    assert torch.autograd.gradcheck(lambda s: loss(s, labels, mask), scores)


@every_loss
def test_labels_carry_no_gradient(name: str) -> None:
    scores, labels, mask = tensors([(0.3, 2), (0.1, 0), (0.7, 1)])
    soft = labels.double().requires_grad_()
    value = RANKING_LOSSES[name](scores, soft, mask)
    assert torch.autograd.grad(value, soft, allow_unused=True)[0] is None


@every_loss
def test_a_step_against_the_gradient_lowers_the_loss_until_the_order_is_right(name: str) -> None:
    scores = torch.zeros(1, 6, requires_grad=True)
    labels, mask = torch.tensor([[0, 2, 0, 3, 1, 0]]), torch.ones(1, 6, dtype=torch.bool)
    optimiser = torch.optim.Adam([scores], lr=0.1)
    first = RANKING_LOSSES[name](scores, labels, mask).item()
    for _ in range(60):
        optimiser.zero_grad()
        value = RANKING_LOSSES[name](scores, labels, mask)
        value.backward()
        optimiser.step()
    assert value.item() < first
    positives, rest = scores[0, [1, 3, 4]], scores[0, [0, 2, 5]]
    assert positives.min() > rest.max()


@every_loss
def test_inputs_that_do_not_fit_are_refused(name: str) -> None:
    loss, mask = RANKING_LOSSES[name], torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(InputError, match=r"found shapes \(2, 3\), \(2, 4\)"):
        loss(torch.zeros(2, 3), torch.zeros(2, 4), mask)
    with pytest.raises(InputError, match="must all be"):
        loss(torch.zeros(3), torch.zeros(3), mask[0])
    with pytest.raises(InputError, match="mask bool"):
        loss(torch.zeros(2, 3), torch.zeros(2, 3), mask.long())
    with pytest.raises(InputError, match="floating point"):
        loss(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3), mask)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), True, "1", None])
def test_options_out_of_range_are_refused(value: object) -> None:
    row = tensors([(0.0, 1), (1.0, 0)])
    for name, option in [
        ("ranknet", "temperature"),
        ("listnet", "label_temperature"),
        ("ndcg_loss2pp", "mu"),
        ("approx_ndcg", "alpha"),
        ("adr_mse", "alpha"),
    ]:
        with pytest.raises(SettingsError, match=f"{option} must be a number above 0"):
            RANKING_LOSSES[name](*row, **{option: value})
    if value is not None:
        with pytest.raises(SettingsError, match="k must be a whole number"):
            RANKING_LOSSES["lambdarank"](*row, k=value)
    if not isinstance(value, int | float) or value is True:
        with pytest.raises(SettingsError, match="relevant_from must be a number"):
            RANKING_LOSSES["softmax_cross_entropy"](*row, relevant_from=value)
