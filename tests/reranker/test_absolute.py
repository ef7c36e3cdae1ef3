"""Scores read against the null candidate: the same rankings, and a probability."""

import math

import pytest
import torch
from transformers import LlamaForCausalLM

from reranker.checkpoint import Checkpoint
from reranker.errors import SettingsError
from reranker.reranker import Reranker
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer

TEXTS = [f"passage {word}" for word in ("one", "two", "three", "four", "five")]


def ending_model() -> LlamaForCausalLM:
    """The tiny model, whose row of the end token is not that of padding."""
    model = tiny_model(tiny_tokenizer())
    model.get_output_embeddings().weight.data[tiny_tokenizer().eos_token_id] = 0.3
    return model


def make(absolute: bool, layout: str = "suffix") -> Reranker:
    tokenizer = tiny_tokenizer()
    settings = Settings(layout=layout, window=5, stride=2, absolute=absolute)
    return Reranker(Checkpoint("tiny", ending_model(), tokenizer, settings))


@pytest.mark.parametrize("layout", ["suffix", "blocks", "listwise"])
def test_the_null_candidates_logit_is_taken_off(layout: str) -> None:
    reranker = make(True, layout)
    relative = reranker.with_settings(absolute=False)
    absolute, plain = reranker.rank("two?", TEXTS), relative.rank("two?", TEXTS)
    whole = ending_model()
    assert [p.index for p in absolute] == [p.index for p in plain]
    shifts = {round(a.score - b.score, 4) for a, b in zip(absolute, plain, strict=True)}
    assert len(shifts) == 1
    assert shifts != {0.0}
    if layout == "suffix":
        ranked = torch.tensor([absolute.explain().windows[0].prompt.token_ids])
        null = whole(ranked).logits[0, -1, tiny_tokenizer().eos_token_id].item()
        assert shifts.pop() == pytest.approx(-null, abs=1e-3)


def test_relevance_is_the_probability_whose_log_odds_are_the_score() -> None:
    for passage in make(True).rank("two?", TEXTS):
        assert passage.relevance == pytest.approx(1 / (1 + math.exp(-passage.score)))
    assert {passage.relevance for passage in make(False).rank("two?", TEXTS)} == {None}


def test_the_settings_are_carried_and_checked(tmp_path) -> None:
    Settings(absolute=True).write(tmp_path)
    assert Settings.read(tmp_path) == Settings(absolute=True)
    with pytest.raises(SettingsError, match="absolute must be true or false, found 1"):
        Settings(absolute=1)  # type: ignore[arg-type]


def test_a_tokenizer_without_an_end_says_so() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = None
    settings = Settings(layout="suffix", absolute=True)
    with pytest.raises(SettingsError, match="names none"):
        Reranker(Checkpoint("tiny", tiny_model(tiny_tokenizer()), tokenizer, settings))
