from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.baselines.icr import CONTENT_FREE, InContext, attention, kept_sum
from reranker.checkpoint import Checkpoint
from reranker.errors import WindowTooLargeError
from reranker.passage import Passage
from tests.tiny import tiny_model, tiny_tokenizer

QUERY = "who sat?"
PASSAGES = [Passage("a cat sat"), Passage("by a dog", title="Dog"), Passage("x"), Passage("")]
# The query's best candidate stands last, right before the question.
BEFORE = (
    "<|im_start|>user\nHere are some paragraphs:\n\n[1]\n\n[2] x\n\n[3] Dog by a dog"
    "\n\n[4] a cat sat"
)
ASKING = (
    "\n\nPlease answer the following question based on the information in the paragraphs above."
    "\n\nQuery:"
)
AFTER = "<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    tokenizer = tiny_tokenizer()
    return Checkpoint("tiny", tiny_model(tokenizer), tokenizer, None)


def brute_force(checkpoint: Checkpoint, query: str) -> Tensor:
    """What each token of the window is attended to: one eager pass over all of it, layer by layer,
    head by head, token by token."""
    parts = [checkpoint.tokenizer(text)["input_ids"] for text in (BEFORE, ASKING, f" {query}")]
    window, asking, asked = map(len, parts)
    tokens = torch.tensor([list(chain(*parts))])
    model = tiny_model(checkpoint.tokenizer)
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        layers = model(input_ids=tokens, output_attentions=True, use_cache=False).attentions
    assert len(layers) == 2
    found = torch.zeros(window)
    for layer in layers:
        for head in layer[0]:
            for place in range(window + asking, window + asking + asked):
                found += head[place, :window] / asked
    return found


def test_scores_are_the_attention_summed_calibrated_and_filtered(checkpoint: Checkpoint) -> None:
    tokens = brute_force(checkpoint, QUERY) - brute_force(checkpoint, CONTENT_FREE)
    found = InContext(checkpoint).score(QUERY, PASSAGES)
    for passage, value in zip(PASSAGES, found.values, strict=True):
        # The tiny tokenizer's tokens are bytes, and a space belongs to the passage.
        text = f" {passage.title} {passage.text}" if passage.title else f" {passage.text}"
        if not passage.text:
            assert value == 0
            continue
        start = BEFORE.index("]" + text) + 1
        offset = len(checkpoint.tokenizer(BEFORE[:start])["input_ids"])
        own = tokens[offset : offset + len(text)]
        if len(own) > 1:
            own = own[own >= own.mean() - 2 * own.std()]
        assert value == pytest.approx(float(own.sum()), abs=1e-5)
    assert len({round(value, 6) for value in found.values}) == len(PASSAGES)


def test_tokens_and_windows_are_counted(checkpoint: Checkpoint) -> None:
    found = InContext(checkpoint).score(QUERY, PASSAGES)
    parts = [BEFORE, *(f"{ASKING} {query}{AFTER}" for query in (QUERY, CONTENT_FREE))]
    assert found.tokens == sum(len(checkpoint.tokenizer(part)["input_ids"]) for part in parts)
    assert len(found.windows) == 1


def test_the_model_and_its_cache_are_left_as_they_were(checkpoint: Checkpoint) -> None:
    model = checkpoint.model
    before = model.config._attn_implementation
    with torch.inference_mode():
        cache = model(input_ids=torch.tensor([[5, 6, 7]]), use_cache=True).past_key_values
    one = attention(model, cache, (8, 9), slice(0, 2))
    assert one.shape == (3,)
    assert cache.get_seq_length() == 3
    assert torch.equal(attention(model, cache, (8, 9), slice(0, 2)), one)
    assert model.config._attn_implementation == before != "eager"


def test_a_text_is_cut(checkpoint: Checkpoint) -> None:
    cut = InContext(checkpoint, passage_tokens=4, query_tokens=4)
    long = [Passage(passage.text[:3]) for passage in PASSAGES[:1]]
    found = cut.score("who sat?", PASSAGES[:1])
    assert found.values == pytest.approx(cut.score("who", long).values)
    assert found.tokens < InContext(checkpoint).score("who sat?", PASSAGES[:1]).tokens


def test_a_window_beyond_the_context_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(WindowTooLargeError, match="context holds 2,048; give fewer passages"):
        InContext(checkpoint).score(QUERY, [Passage("x" * 120)] * 20)


def test_what_is_far_below_a_passages_mean_is_left_out() -> None:
    values = torch.tensor([1.0] * 9 + [-20.0])
    assert kept_sum(values) == 9
    assert kept_sum(-values) == 11
    assert kept_sum(torch.tensor([-3.0])) == -3
    assert kept_sum(torch.tensor([])) == 0


@given(st.lists(st.floats(-9, 9, width=32), min_size=2, max_size=5))
def test_of_few_tokens_none_can_be_so_far_below(values: list[float]) -> None:
    # The least of n values lies at most (n - 1) / sqrt(n) deviations below their mean.
    tensor = torch.tensor(values)
    assert kept_sum(tensor) == pytest.approx(float(tensor.sum()), abs=1e-4)
