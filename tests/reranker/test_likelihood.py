"""The query's likelihood after each passage, as part of the scores."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Gemma2Config, Gemma2ForCausalLM, PreTrainedModel

from reranker import Reranker
from reranker.checkpoint import Checkpoint
from reranker.encoder import Encoder
from reranker.engine import Engine
from reranker.errors import EngineError, SettingsError
from reranker.likelihood import log_likelihoods
from reranker.overrides import overridden
from reranker.passage import Passage
from reranker.passage_cache import PassageCache
from reranker.prompt import Prompt
from reranker.prompter import Prompter
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
PASSAGES = [Passage(text) for text in ("a fox", "the lazy dog sleeps on", "cats", "no " * 9)]
QUERY = "what sleeps"


def prompter(likelihood: float, absolute: bool = False) -> Prompter:
    given = Settings(layout="cross", likelihood=likelihood, absolute=absolute)
    return Prompter(Encoder(TOKENIZER), given, 2048)


def prompt(likelihood: float, absolute: bool = False, passages: object = None) -> Prompt:
    made = prompter(likelihood, absolute)
    texts = PASSAGES if passages is None else [Passage(str(p)) for p in passages]  # type: ignore[attr-defined]
    return made.prompt(made.encode(QUERY, texts), range(len(texts)))


def engine(**options: object) -> Engine:
    ids = prompter(0).identifiers.token_ids
    return Engine(tiny_model(TOKENIZER), [*ids, TOKENIZER.eos_token_id], **options)  # type: ignore[arg-type]


def reranker(**given: object) -> Reranker:
    made = Settings(layout="cross").override(**given)
    return Reranker(Checkpoint("tiny", tiny_model(TOKENIZER), TOKENIZER, made))


ENGINE = engine(whole_head=True)


def by_hand(made: Prompt, model: PreTrainedModel) -> list[float]:
    """Each passage's sum of the log-probabilities of the query's tokens, by the plain model."""
    query = TOKENIZER.encode(f" {QUERY}", add_special_tokens=False)
    sums = []
    assert made.asked is not None
    for place in made.asked.places[: len(made.identifier_ids)]:
        row = [*made.prefix, *made.blocks[place]]
        start = len(row) - len(query) - len(TOKENIZER.encode(" [A]"))
        assert row[start : start + len(query)] == query
        with torch.no_grad():
            odds = model(torch.tensor([row])).logits[0].log_softmax(-1)
        sums.append(sum(float(odds[start + n - 1, token]) for n, token in enumerate(query)))
    return sums


def test_it_is_the_log_probability_of_the_querys_tokens() -> None:
    light, heavy = prompt(0.25), prompt(1.25)
    [low], [high] = ENGINE.score([light]), ENGINE.score([heavy])
    gains = [much - little for much, little in zip(high, low, strict=True)]
    assert gains == pytest.approx(by_hand(light, tiny_model(TOKENIZER)), abs=1e-3)


def test_without_it_scores_are_identifier_logits() -> None:
    [expected] = engine().score([prompt(0)])
    [heavy], [light] = ENGINE.score([prompt(1.5)]), ENGINE.score([prompt(0.5)])
    found = [1.5 * low - 0.5 * high for low, high in zip(light, heavy, strict=True)]
    assert found == pytest.approx(expected, abs=1e-3)


def test_the_null_candidates_likelihood_is_taken_off() -> None:
    texts = ["a fox", "cats", "the lazy dog sleeps on"]
    [low] = ENGINE.score([prompt(0.5, absolute=True, passages=texts)])
    [high] = ENGINE.score([prompt(1.5, absolute=True, passages=texts)])
    gains = [h - one for h, one in zip(high, low, strict=True)]
    model = tiny_model(TOKENIZER)
    made = prompt(1, absolute=True, passages=texts)
    assert made.asked is not None
    nothing = made.asked.places[-1]
    assert made.passages[nothing] == ()
    [null] = by_hand(
        replace(made, identifier_ids=(0,), asked=replace(made.asked, places=(nothing,))), model
    )
    assert gains == pytest.approx([own - null for own in by_hand(made, model)], abs=1e-3)


@pytest.mark.parametrize("absolute", [False, True])
def test_an_empty_passage_is_the_least_likely(absolute: bool) -> None:
    texts = ["a fox", "", "the lazy dog sleeps on", " \n"]
    [low] = ENGINE.score([prompt(0.5, absolute, texts)])
    [high] = ENGINE.score([prompt(1.5, absolute, texts)])
    gains = [h - one for h, one in zip(high, low, strict=True)]
    assert gains[1] == pytest.approx(min(gains), abs=1e-4)
    assert gains[3] == pytest.approx(min(gains), abs=1e-4)
    [alone] = ENGINE.score([prompt(0.5, absolute, [""])])
    assert all(map(math.isfinite, alone))


@pytest.mark.parametrize("absolute", [False, True])
def test_kept_passages_give_the_same_scores(absolute: bool) -> None:
    cached = engine(whole_head=True, cache=PassageCache())
    made = prompt(0.7, absolute)
    expected = torch.tensor(ENGINE.score([made]))
    for _ in range(2):
        torch.testing.assert_close(torch.tensor(cached.score([made])), expected, atol=1e-4, rtol=0)


def test_passes_shared_with_other_windows_give_the_same_scores() -> None:
    prompts = [prompt(0.7), prompt(0.7, passages=["one", "two"]), prompt(0.7, passages="abcde")]
    together = ENGINE.score(prompts)
    for made, found in zip(prompts, together, strict=True):
        assert found == pytest.approx(ENGINE.score([made])[0], abs=1e-4)


RANKERS = [reranker(likelihood=0.5, absolute=absolute) for absolute in (False, True)]


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(RANKERS), st.permutations(range(4)))
def test_the_order_of_candidates_does_not_matter(ranker: Reranker, order: list[int]) -> None:
    expected = {p.id: p.score for p in ranker.rank(QUERY, _named(range(4)))}
    assert {p.id: p.score for p in ranker.rank(QUERY, _named(order))} == expected


def _named(order: object) -> list[Passage]:
    return [Passage(PASSAGES[place].text, id=str(place)) for place in order]  # type: ignore[attr-defined]


def test_passages_read_ahead_serve_it() -> None:
    made = Settings(layout="cross", likelihood=0.5, absolute=True)
    checkpoint = Checkpoint("tiny", tiny_model(TOKENIZER), TOKENIZER, made)
    ranker = Reranker(checkpoint, cache=PassageCache())
    assert ranker.keep(PASSAGES) == len(PASSAGES)
    assert ranker.keep(PASSAGES) == 0
    assert len(ranker.rank(QUERY, PASSAGES)) == len(PASSAGES)


def test_long_logits_are_read_in_parts() -> None:
    logits = torch.randn(600, 9)
    asked = [(place, place % 9) for place in range(600)]
    odds = logits.log_softmax(-1)
    expected = odds[range(600), [token for _, token in asked]].view(3, 200).sum(1)
    found = log_likelihoods(logits, asked, 3, torch.nn.Identity())
    torch.testing.assert_close(found, expected)


def test_a_model_that_caps_its_logits_keeps_its_head() -> None:
    ids = prompter(0).identifiers.token_ids
    model = gemma()
    made = prompt(0.7)
    kept = Engine(model, ids, whole_head=True)
    assert model.get_output_embeddings() is not None
    assert isinstance(kept._head, torch.nn.Identity)
    light, heavy = kept.score([prompt(0.25)])[0], kept.score([prompt(1.25)])[0]
    gains = [high - low for high, low in zip(heavy, light, strict=True)]
    assert gains == pytest.approx(by_hand(made, gemma()), abs=1e-3)


def gemma() -> Gemma2ForCausalLM:
    """A model that caps its logits, and not its attention's."""
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=len(TOKENIZER),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        attn_logit_softcapping=None,
        final_logit_softcapping=0.05,
        sliding_window=64,
    )
    return Gemma2ForCausalLM(config).eval()


def test_an_engine_of_identifiers_alone_refuses() -> None:
    with pytest.raises(EngineError, match="whole_head"):
        engine().score([prompt(0.5)])


def test_settings_of_a_reranker_without_the_whole_head_are_refused() -> None:
    with pytest.raises(SettingsError, match="make a new Reranker with likelihood"):
        reranker().with_settings(likelihood=0.5)
    assert reranker(likelihood=1).with_settings(likelihood=0.0).settings.likelihood == 0


@pytest.mark.parametrize("layout", ["suffix", "blocks", "set", "listwise"])
def test_layouts_that_ask_no_passage_are_refused(layout: str) -> None:
    with pytest.raises(SettingsError, match="layout='cross'"):
        reranker(layout=layout, likelihood=0.5)


def test_a_prior_is_left_behind_with_the_scores_it_was_for() -> None:
    carried = Settings(layout="cross", likelihood=0.5, prior=0.05)
    assert overridden(carried, likelihood=1).prior == 0.05
    assert overridden(carried, likelihood=0).prior == 0
    assert overridden(carried, likelihood=0, prior=0.7).prior == 0.7
    assert overridden(carried, layout="blocks").prior == 0
    plain = Settings(layout="cross", prior=0.7)
    assert overridden(plain, likelihood=0.5).prior == 0
    assert overridden(plain, window=5, stride=2).prior == 0.7


def test_another_layout_leaves_the_checkpoints_weight_behind() -> None:
    ranker = reranker(likelihood=1)
    assert ranker.with_settings(layout="suffix").settings.likelihood == 0
    assert ranker.with_settings(layout="cross").settings.likelihood == 1
    assert ranker.with_settings(layout="cross", likelihood=0.2).settings.likelihood == 0.2
    with pytest.raises(SettingsError, match="layout='cross'"):
        ranker.with_settings(layout="suffix", likelihood=0.2)


@pytest.mark.parametrize("weight", [-0.1, "1", True, float("nan"), 1000])
def test_a_weight_out_of_range_is_refused(weight: object) -> None:
    with pytest.raises(SettingsError, match="likelihood must be"):
        Settings(likelihood=weight)  # type: ignore[arg-type]
