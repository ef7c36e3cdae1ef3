"""Each ranking loss, and its gradient, against an independent implementation.

sentence-transformers' losses are skipped where it is not installed, and so are allRank's, which
pins torch below 1.9 and so installs only with `pip install --no-deps allrank`.
"""

import math
import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from training import objectives

Loss = Callable[..., Tensor]

# Untied scores and labels of three lengths; ListNet, RankNet, Lambda and ADR-MSE take ties too.
SCORES = ([1.3, -0.4, 0.2, 2.1], [-3.0, -2.5], [0.7, -1.1, 3.2, 0.1, -0.6, 1.9])
UNTIED = ([1, 3, 0, 2], [0, 1], [5, 0, 1, 4, 2, 3])
TIED = ([1, 3, 0, 0], [0, 2], [0, 0, 1, 4, 0, 1])


def ours(loss: Loss, labels: tuple[list[int], ...], **parameters: object) -> tuple[float, Tensor]:
    """Value and gradient of one padded batch."""
    mask = torch.tensor([[place < len(row) for place in range(6)] for row in SCORES])
    scores = torch.tensor([row + [0.0] * (6 - len(row)) for row in SCORES], requires_grad=True)
    grades = torch.tensor([row + [0] * (6 - len(row)) for row in labels])
    value = loss(scores, grades, mask, **parameters)
    return value.item(), torch.autograd.grad(value, scores)[0][mask]


def theirs(
    peer: Callable[[Tensor, Tensor], Tensor], labels: tuple[list[int], ...]
) -> tuple[float, Tensor]:
    """Value and gradient of the mean over rows that are given one at a time."""
    rows = [torch.tensor(row, requires_grad=True) for row in SCORES]
    values = [peer(row, torch.tensor(grades)) for row, grades in zip(rows, labels, strict=True)]
    mean = torch.stack(values).mean()
    return mean.item(), torch.cat(torch.autograd.grad(mean, rows))


def agree(found: tuple[float, Tensor], expected: tuple[float, Tensor]) -> None:
    assert found[0] == pytest.approx(expected[0], rel=1e-5, abs=1e-5)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-5, atol=1e-5)


def pairs(labels: Tensor) -> int:
    return sum(int(a > b) for a in labels.tolist() for b in labels.tolist())


# -- sentence-transformers ------------------------------------------------------------------


@pytest.fixture(scope="module")
def losses() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("sentence_transformers.cross_encoder.losses")


def with_model(build: Callable[[Any], Any]) -> Callable[[Tensor, Tensor], Tensor]:
    """A cross-encoder's loss on one row, its model answering with the scores that it is given."""

    def peer(scores: Tensor, labels: Tensor) -> Tensor:
        class Answers:
            num_labels, device = 1, torch.device("cpu")

            def preprocess(self, pairs: list[tuple[str, str]], **_: object) -> dict[str, Tensor]:
                return {"places": torch.tensor([int(passage) for _, passage in pairs])}

            def __call__(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
                return {"scores": scores[tokens["places"]]}

        passages = [str(place) for place in range(len(scores))]
        value: Tensor = build(Answers())([["query"], [passages]], [labels.float()])
        return value

    return peer


@pytest.mark.parametrize("labels", [UNTIED, TIED])
def test_ranknet_is_theirs_times_ln_2(losses: Any, labels: tuple[list[int], ...]) -> None:
    peer = with_model(lambda model: losses.RankNetLoss(model))
    expected = theirs(lambda s, y: peer(s, y) * math.log(2), labels)
    agree(ours(objectives.ranknet, labels), expected)


@pytest.mark.parametrize("labels", [UNTIED, TIED])
@pytest.mark.parametrize("name", ["lambdarank", "ndcg_loss2pp"])
def test_lambda_losses_are_their_mean_times_the_pairs(
    losses: Any, labels: tuple[list[int], ...], name: str
) -> None:
    scheme = {"lambdarank": losses.LambdaRankScheme, "ndcg_loss2pp": losses.NDCGLoss2PPScheme}[name]
    peer = with_model(lambda model: losses.LambdaLoss(model, scheme(), reduction_log="natural"))
    expected = theirs(lambda s, y: peer(s, y) * pairs(y), labels)
    agree(ours(getattr(objectives, name), labels), expected)


@pytest.mark.parametrize("labels", [UNTIED, TIED])
def test_listnet_is_theirs(losses: Any, labels: tuple[list[int], ...]) -> None:
    peer = with_model(lambda model: losses.ListNetLoss(model))
    agree(ours(objectives.listnet, labels), theirs(peer, labels))


def test_listmle_is_theirs(losses: Any) -> None:
    peer = with_model(lambda model: losses.ListMLELoss(model, respect_input_order=False))
    agree(ours(objectives.listmle, UNTIED), theirs(peer, UNTIED))


def test_p_listmle_is_theirs(losses: Any) -> None:
    peer = with_model(lambda model: losses.PListMLELoss(model, respect_input_order=False))
    agree(ours(objectives.p_listmle, UNTIED), theirs(peer, UNTIED))


@pytest.mark.parametrize("labels", [UNTIED, TIED])
@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_adr_mse_is_theirs(losses: Any, labels: tuple[list[int], ...], alpha: float) -> None:
    if not hasattr(losses, "ADRMSELoss"):
        pytest.skip("this sentence-transformers has no ADRMSELoss")
    peer = with_model(lambda model: losses.ADRMSELoss(model, alpha=alpha))
    agree(ours(objectives.adr_mse, labels, alpha=alpha), theirs(peer, labels))


# -- allRank --------------------------------------------------------------------------------


@pytest.fixture
def allrank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """allRank's losses, without the cloud storage and data sets that its modules import."""
    needed: dict[str, dict[str, Any]] = {
        "allrank.data.dataset_loading": {"PADDED_Y_VALUE": -1},
        "allrank.models.model_utils": {"get_torch_device": lambda: torch.device("cpu")},
    }
    for name, content in needed.items():
        stub = ModuleType(name)
        vars(stub).update(content)
        monkeypatch.setitem(sys.modules, name, stub)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("allrank.models.losses")
        yield SimpleNamespace(**vars(found))


def alone(peer: Loss, **parameters: object) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda scores, labels: peer(scores[None], labels[None].float(), **parameters)


@pytest.mark.parametrize("labels", [UNTIED, TIED])
def test_allrank_agrees_on_ranknet(allrank: Any, labels: tuple[list[int], ...]) -> None:
    agree(ours(objectives.ranknet, labels), theirs(alone(allrank.rankNet), labels))


@pytest.mark.parametrize("labels", [UNTIED, TIED])
@pytest.mark.parametrize(
    ("name", "scheme"),
    [("lambdarank", "lambdaRank_scheme"), ("ndcg_loss2pp", "ndcgLoss2PP_scheme")],
)
def test_allrank_agrees_on_lambda_losses(
    allrank: Any, labels: tuple[list[int], ...], name: str, scheme: str
) -> None:
    peer = alone(allrank.lambdaLoss, weighing_scheme=scheme, reduction_log="natural")
    agree(ours(getattr(objectives, name), labels), theirs(peer, labels))


@pytest.mark.parametrize("labels", [UNTIED, TIED])
def test_allrank_agrees_on_listnet(allrank: Any, labels: tuple[list[int], ...]) -> None:
    agree(ours(objectives.listnet, labels), theirs(alone(allrank.listNet), labels))


def test_allrank_agrees_on_listmle(allrank: Any) -> None:
    agree(ours(objectives.listmle, UNTIED), theirs(alone(allrank.listMLE), UNTIED))


@pytest.mark.parametrize("labels", [UNTIED, TIED])
@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_allrank_agrees_on_approx_ndcg(
    allrank: Any, labels: tuple[list[int], ...], alpha: float
) -> None:
    peer = alone(allrank.approxNDCGLoss, alpha=alpha)
    agree(ours(objectives.approx_ndcg, labels, alpha=alpha), theirs(peer, labels))


# -- torch ----------------------------------------------------------------------------------


def test_softmax_cross_entropy_is_torchs() -> None:
    one = ([0, 1, 0, 0], [1, 0], [0, 0, 0, 0, 0, 1])
    expected = theirs(
        lambda s, y: torch.nn.functional.cross_entropy(s[None], y.argmax()[None]), one
    )
    agree(ours(objectives.softmax_cross_entropy, one), expected)


def test_softmax_cross_entropy_with_several_positives_is_torchs() -> None:
    several = ([0, 1, 0, 2], [1, 0], [0, 3, 0, 1, 0, 1])
    expected = theirs(
        lambda s, y: torch.nn.functional.cross_entropy(s[None], (y > 0)[None] / (y > 0).sum()),
        several,
    )
    agree(ours(objectives.softmax_cross_entropy, several), expected)
