"""The weight of the first stage's order: by hand, and learned into a folder's settings."""

from dataclasses import replace
from math import log

import pytest
from typer.testing import CliRunner

from reranker import Checkpoint, Passage, Reranker
from reranker.errors import SettingsError
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer
from tests.training.toy import toy_recipe
from training.dev import DevQuery
from training.job import train
from training.prior import Scored, app, learned, means


def scored(scores, grades):
    passages = tuple(Passage(f"p{place}") for place in range(len(scores)))
    return Scored(DevQuery("q", passages, tuple(grades), tuple(grades)), tuple(scores))


def test_by_hand():
    # The relevant passage stands first and is scored 1 below the second.
    one = scored([0.0, 1.0], [1.0, 0.0])
    assert one.ndcg(0.0) == pytest.approx(1 / log(3, 2))
    assert one.ndcg(1.4) == pytest.approx(1 / log(3, 2))  # 1.4 ln 2 is below 1
    assert one.ndcg(1.5) == 1.0
    assert replace(one, unit=2.0).ndcg(0.75) == 1.0


def test_the_least_of_the_best_weights_is_learned_over_all_sets():
    first_stage_is_right, model_is_right = scored([0, 1], [1, 0]), scored([0, 3], [0, 1])
    found = means([[first_stage_is_right], [model_is_right]], (0.0, 1.5, 2.0, 5.0))
    assert found == {
        0.0: pytest.approx((1 + 1 / log(3, 2)) / 2),
        1.5: 1.0,
        2.0: 1.0,
        5.0: pytest.approx((1 + 1 / log(3, 2)) / 2),
    }
    assert learned(found) == 1.5


@pytest.mark.parametrize(("layout", "likelihood"), [("suffix", 0), ("cross", 0), ("cross", 0.5)])
def test_rankings_hold_the_prior(layout, likelihood):
    settings = Settings(layout=layout, likelihood=likelihood, window=6, stride=3)
    tokenizer = tiny_tokenizer()
    reranker = Reranker(Checkpoint("tiny", tiny_model(tokenizer), tokenizer, settings))
    texts = [f"passage number {number}" for number in "abcdef"]
    plain = {p.index: p.score for p in reranker.rank("c? d?", texts)}
    [*lowered] = reranker.with_settings(prior=0.5).rank("c? d?", texts)
    # A likelihood is summed over the query's tokens, so the prior is too.
    tokens = len(reranker.encode("c? d?", ()).query.token_ids)
    weight = 0.5 * (tokens if likelihood else 1)
    for passage in lowered:
        wanted = plain[passage.index] - weight * log(passage.index + 1)
        assert passage.score == pytest.approx(wanted, abs=1e-5)
    strong = reranker.with_settings(prior=900.0).rank("c? d?", texts)
    assert [p.index for p in strong] == list(range(6))


@pytest.mark.parametrize("prior", [-0.1, 1000, True, "much", float("nan")])
def test_no_weight(prior):
    with pytest.raises(SettingsError, match="prior must be"):
        Settings(prior=prior)


def test_a_trained_folder_learns_its_prior(toy, tmp_path):
    folder = train(toy_recipe(toy, "dev=[{name: toy, rows: rows.jsonl, depth: 4}]"), tmp_path / "o")
    result = CliRunner().invoke(app, [str(folder)])
    assert result.exit_code == 0, result.output
    settings = Settings.read(folder)
    assert f"prior {settings.prior}" in result.output.replace("\n", " ")
    assert Reranker(folder, device="cpu").settings.prior == settings.prior
