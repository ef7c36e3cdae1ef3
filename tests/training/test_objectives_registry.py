import pytest
import torch

from reranker.errors import InputError, SettingsError
from training import objectives
from training.objectives import (
    LANGUAGE_LOSSES,
    RANKING_LOSSES,
    Objective,
    PassageScores,
    TokenLogits,
    importance_aware,
    joint,
    lambdarank,
    language_loss,
    language_modelling,
    parameters_of,
    ranking_loss,
    weighted_ranknet,
)

SCORES = torch.tensor([[0.3, -1.0, 2.0]])
LABELS = torch.tensor([[2, 0, 1]])
MASK = torch.ones(1, 3, dtype=torch.bool)
LOGITS = torch.tensor([[[0.0, 1.0], [2.0, 0.5]]])
TARGETS = torch.tensor([[1, 0]])
RANKS = torch.tensor([[1, 0]])
TOKEN_MASK = torch.ones(1, 2, dtype=torch.bool)

PASSAGES = PassageScores(SCORES, LABELS, MASK)
TOKENS = TokenLogits(LOGITS, TARGETS, TOKEN_MASK, RANKS)


def test_the_public_names() -> None:
    assert sorted(RANKING_LOSSES) == [
        "adr_mse",
        "approx_ndcg",
        "lambdarank",
        "listmle",
        "listnet",
        "ndcg_loss2pp",
        "p_listmle",
        "ranknet",
        "softmax_cross_entropy",
        "weighted_ranknet",
    ]
    assert sorted(LANGUAGE_LOSSES) == ["importance_aware", "language_modelling"]
    for name in (*RANKING_LOSSES, *LANGUAGE_LOSSES):
        assert name in objectives.__all__


def test_parameters_and_their_defaults() -> None:
    assert parameters_of("ndcg_loss2pp") == {"mu": 10.0, "k": None, "temperature": 1.0}
    assert parameters_of("listnet") == {"temperature": 1.0, "label_temperature": 1.0}
    assert parameters_of("softmax_cross_entropy") == {
        "relevant_from": 1.0,
        "graded": False,
        "temperature": 1.0,
    }
    assert parameters_of("adr_mse") == {"alpha": 1.0}
    assert parameters_of("language_modelling") == {}


def test_a_loss_by_name_with_its_parameters() -> None:
    found = ranking_loss("lambdarank", k=1, temperature=2.0)(SCORES, LABELS, MASK)
    assert found == lambdarank(SCORES, LABELS, MASK, k=1, temperature=2.0)
    written = language_loss("importance_aware")(LOGITS, TARGETS, TOKEN_MASK, RANKS)
    assert written == importance_aware(LOGITS, TARGETS, TOKEN_MASK, RANKS)


def test_joint_is_the_weighted_sum() -> None:
    assert joint(torch.tensor(2.0), torch.tensor(0.5)).item() == 7.0
    assert joint(torch.tensor(2.0), torch.tensor(0.5), weight=2).item() == 3.0
    with pytest.raises(SettingsError, match="weight"):
        joint(torch.tensor(2.0), torch.tensor(0.5), weight=0)


def test_an_objective_by_its_name() -> None:
    objective = Objective.parse("weighted_ranknet")
    assert objective.language is None
    assert objective(passages=PASSAGES) == weighted_ranknet(SCORES, LABELS, MASK)


def test_an_objective_with_parameters() -> None:
    objective = Objective.parse({"name": "lambdarank", "k": 1})
    assert objective(PASSAGES, TOKENS) == lambdarank(SCORES, LABELS, MASK, k=1)


def test_an_objective_over_tokens() -> None:
    objective = Objective.parse("importance_aware")
    assert objective.ranking is None
    assert objective(tokens=TOKENS) == importance_aware(LOGITS, TARGETS, TOKEN_MASK, RANKS)


def test_joint_is_firsts_where_nothing_else_is_said() -> None:
    expected = language_modelling(LOGITS, TARGETS, TOKEN_MASK) + 10 * weighted_ranknet(
        SCORES, LABELS, MASK
    )
    assert Objective.parse("joint")(PASSAGES, TOKENS) == expected


def test_joint_of_other_losses() -> None:
    recipe = {
        "name": "joint",
        "ranking": {"name": "lambdarank", "k": 1},
        "language": "importance_aware",
        "weight": 3,
    }
    expected = importance_aware(LOGITS, TARGETS, TOKEN_MASK, RANKS) + 3 * lambdarank(
        SCORES, LABELS, MASK, k=1
    )
    assert Objective.parse(recipe)(PASSAGES, TOKENS) == expected


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("rank_net", "unknown objective 'rank_net'; known are"),
        ({"name": "rank_net"}, "unknown objective"),
        ({"temperature": 1}, "must be a name or a mapping"),
        (None, "must be a name or a mapping"),
        ({"name": "ranknet", "k": 3}, r"has no parameter\(s\) \['k'\]; it takes \['temperature'\]"),
        ({"name": "language_modelling", "k": 3}, "it takes none"),
        ({"name": "ranknet", "temperature": 0}, "temperature must be"),
        ({"name": "ranknet", "temperature": "hot"}, "temperature must be"),
        ({"name": "joint", "lambda": 3}, "has no parameter"),
        ({"name": "joint", "weight": -1}, "weight must be"),
        ({"name": "joint", "ranking": "language_modelling"}, "unknown objective"),
        ({"name": "joint", "ranking": {"name": "lambdarank", "k": 0}}, "k must be"),
        ({"name": "joint", "language": "ranknet"}, "unknown objective"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(recipe: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Objective.parse(recipe)


def test_what_a_loss_reads_must_be_given() -> None:
    with pytest.raises(InputError, match="reads the passages' scores"):
        Objective.parse("joint")(tokens=TOKENS)
    with pytest.raises(InputError, match="reads token logits"):
        Objective.parse("joint")(passages=PASSAGES)
    with pytest.raises(SettingsError, match="unknown objective"):
        parameters_of("joint")
