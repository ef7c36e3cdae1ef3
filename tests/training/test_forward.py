import copy
from dataclasses import replace

import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM

from reranker.errors import ModelError
from reranker.parts import within
from tests.tiny import tiny_model, tiny_tokenizer
from training.examples import Branch, Example, Target
from training.forward import pack_attention, read_pack
from training.model import checkpoint_activations
from training.objectives import softmax_cross_entropy
from training.pack import packed


@pytest.fixture
def model():
    model = tiny_model(tiny_tokenizer())
    pack_attention(model)
    return model


def example(length, passages, seed, answer=0):
    generator = torch.Generator().manual_seed(seed)

    def tokens(count):
        return tuple(torch.randint(3, 389, (count,), generator=generator).tolist())

    identifiers = tuple((3 + torch.randperm(386, generator=generator)[:passages]).tolist())
    labels = tuple(float(place == seed % passages) for place in range(passages))
    target = Target(tokens(answer), tuple(range(answer))) if answer else None
    return Example((), identifiers, (Branch(tokens(length), labels, target),))


def prompt(example):
    """The whole prompt of an example of one query."""
    [branch] = example.branches
    return [*example.shared[0][0], *branch.token_ids] if example.shared else [*branch.token_ids]


EXAMPLES = [example(17, 3, 0), example(40, 5, 1), example(9, 2, 2)]


def padded_full_head_loss(model):
    """The loss as it is computed without packs: left-padded rows, the whole vocabulary."""
    prompts = [prompt(e) for e in EXAMPLES]
    longest = max(map(len, prompts))
    rows = [[0] * (longest - len(tokens)) + tokens for tokens in prompts]
    mask = [[0] * (longest - len(tokens)) + [1] * len(tokens) for tokens in prompts]
    attention = torch.tensor(mask)
    positions = (attention.cumsum(1) - 1).clamp(min=0)
    logits = model(
        input_ids=torch.tensor(rows), attention_mask=attention, position_ids=positions
    ).logits[:, -1]
    pack = packed(EXAMPLES)
    scores = torch.zeros(pack.labels.shape)
    for row, e in enumerate(EXAMPLES):
        scores[row, : len(e.identifier_ids)] = logits[row, list(e.identifier_ids)]
    return softmax_cross_entropy(scores, pack.labels, pack.mask)


def packed_loss(model):
    pack = packed(EXAMPLES)
    return softmax_cross_entropy(read_pack(model, pack).scores, pack.labels, pack.mask)


def gradients(model):
    return {name: weight.grad for name, weight in model.named_parameters()}


def test_the_packed_loss_is_that_of_padded_rows_and_the_whole_head(model):
    plain = tiny_model(tiny_tokenizer())
    expected, found = padded_full_head_loss(plain), packed_loss(model)
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)
    expected.backward()
    found.backward()
    wanted = gradients(plain)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted[name], atol=1e-6, rtol=1e-4)


def test_activation_checkpointing_changes_nothing(model):
    other = copy.deepcopy(model).train()
    checkpoint_activations(other)
    packed_loss(model).backward()
    packed_loss(other).backward()
    wanted = gradients(model)
    for name, gradient in gradients(other).items():
        torch.testing.assert_close(gradient, wanted[name])


def test_the_model_is_not_changed(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    head = model.get_output_embeddings()
    packed_loss(model)
    assert model.get_output_embeddings() is head
    assert head.weight is model.get_input_embeddings().weight
    assert "forward" not in vars(head)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_logits_are_float32_under_autocast(model):
    with torch.autocast("cpu", torch.bfloat16):
        found = read_pack(model, packed(EXAMPLES)).scores
    assert found.dtype == torch.float32
    assert not torch.equal(found, found.bfloat16().float())
    found.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


def test_rows_do_not_see_each_other(model):
    alone = [read_pack(model, packed([e])).scores[0] for e in EXAMPLES]
    together = read_pack(model, packed(EXAMPLES)).scores
    for row, scores in enumerate(alone):
        torch.testing.assert_close(together[row, : len(scores)], scores, atol=1e-5, rtol=1e-4)


def test_answers_are_read_token_by_token(model):
    examples = [example(17, 3, 0, answer=4), example(11, 2, 5, answer=7)]
    plain = tiny_model(tiny_tokenizer())
    scores, tokens, _ = read_pack(model, packed(examples))
    for row, e in enumerate(examples):
        [branch] = e.branches
        whole = torch.tensor([[*prompt(e), *branch.target.token_ids]])
        start, count = len(prompt(e)) - 1, len(branch.target.token_ids)
        wanted = plain(whole).logits[0, start : start + count]
        torch.testing.assert_close(tokens[row, :count], wanted, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            scores[row, : len(branch.labels)], wanted[0, list(e.identifier_ids)]
        )
    without = [
        Example((), e.identifier_ids, (replace(e.branches[0], target=None),)) for e in examples
    ]
    torch.testing.assert_close(read_pack(model, packed(without)).scores, scores)


def shared(answers):
    """Three queries over the same passages, and one over others; then each apart."""
    first, second, third, other = (
        example(length, 4, seed, answer=answers) for seed, length in enumerate((9, 3, 14, 20))
    )
    ids, passages = first.identifier_ids, tuple(range(60, 85))
    branches = tuple(e.branches[0] for e in (first, second, third))
    together = [Example(((passages,),), ids, branches), other]
    apart = [Example(((passages,),), ids, (branch,)) for branch in branches]
    return together, [*apart, other]


@pytest.mark.parametrize("answers", [0, 5])
def test_queries_share_their_passages_as_if_each_were_alone(model, answers):
    together, apart = map(packed, shared(answers))
    assert len(together) == len(apart) == 4
    assert len(apart.tokens) - len(together.tokens) == 2 * 25
    for name in ("labels", "mask"):
        assert torch.equal(getattr(together, name), getattr(apart, name))
    found, wanted = read_pack(model, together), read_pack(model, apart)
    assert (found.answers is None) == (not answers)
    for ours, theirs in zip(found[: 2 if answers else 1], wanted, strict=False):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    other = copy.deepcopy(model)
    softmax_cross_entropy(found.scores, together.labels, together.mask).backward()
    scores = read_pack(other, apart).scores
    softmax_cross_entropy(scores, apart.labels, apart.mask).backward()
    expected = gradients(other)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-6, rtol=1e-3)


def test_neftune_is_noise_in_training_alone(model):
    pack = packed(EXAMPLES)
    clean = read_pack(model, pack).scores
    assert torch.equal(read_pack(model, pack, neftune=5.0).scores, clean)
    noisy = read_pack(model.train(), pack, neftune=5.0).scores
    assert not torch.allclose(noisy, clean)
    assert torch.allclose(read_pack(model, pack, neftune=1e-7).scores, clean, atol=1e-4)


def test_a_model_that_mixes_rows_is_refused():
    config = MambaConfig(hidden_size=16, num_hidden_layers=1, vocab_size=389, state_size=4)
    with pytest.raises(ModelError, match="MambaForCausalLM mixes rows"):
        pack_attention(MambaForCausalLM(config).eval())


def test_packs_hold_at_most_their_tokens():
    examples = [example(length, 2, length) for length in (10, 20, 50, 5, 5)]
    parts = [[len(e) for e in part] for part in within(examples, len, 30)]
    assert parts == [[10, 20], [50], [5, 5]]
    assert list(within([], len, 30)) == []
