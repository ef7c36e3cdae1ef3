"""The reference: its divergence by hand, and that a run held to it forgets less."""

import copy
from dataclasses import replace

import pytest
import torch

from reranker.encoder import Encoder
from reranker.errors import SettingsError
from reranker.passage import Passage
from reranker.prompter import Prompter
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer
from tests.training.test_trainer import same, weights
from tests.training.toy import toy_recipe, toy_rows
from training.examples import Examples, example_of
from training.forward import pack_attention, read_pack
from training.job import train
from training.mixture import Mixture, Source
from training.model import build
from training.pack import packed
from training.reference import Reference
from training.window import Sizes

QUERIES = ("one", "a longer two", "three")
ASKS = ("reranker.layout=cross", "reranker.likelihood=0.5", "neftune=0")


def examples(*, dropped=0):
    """An example a query, of which the first `dropped` are scored without their likelihood."""
    passages = tuple(Passage("word " * count + "end") for count in (3, 9, 1))
    made = Prompter(Encoder(tiny_tokenizer()), Settings(layout="cross", likelihood=0.5), 2048)
    whole = [example_of(made.prompt(made.encode(query, passages), range(3))) for query in QUERIES]
    return [
        replace(one, branches=tuple(replace(b, asked=None) for b in one.branches))
        if number < dropped
        else one
        for number, one in enumerate(whole)
    ]


@pytest.fixture
def model():
    made = tiny_model(tiny_tokenizer())
    pack_attention(made)
    return made


@pytest.fixture
def moved(model):
    """The same model after a step to nowhere in particular, and the reference from before."""
    reference = Reference(model)
    moved = copy.deepcopy(model)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in moved.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    return moved, reference


def divergence(model, reference, pack):
    return reference.divergence(model, pack, read_pack(model, pack).asked)


def test_it_is_nothing_at_the_start(model):
    assert divergence(model, Reference(model), packed(examples())).item() == pytest.approx(
        0, abs=1e-6
    )


def test_it_is_the_mean_over_queries_of_their_tokens(model, moved):
    """By the definition, of the model as it was; tied weights are its own in both places."""
    later, reference = moved
    found = divergence(later, reference, packed(examples(dropped=1)))
    expected = []
    for example in examples(dropped=1)[1:]:
        pack = packed([example])
        with torch.no_grad():
            before, after = (read_pack(m, pack).asked.softmax(-1) for m in (model, later))
        expected.append((before * (before / after).log()).sum(-1).mean().item())
    assert min(expected) > 1e-4
    assert found.item() == pytest.approx(sum(expected) / len(QUERIES), rel=1e-4)


def test_its_gradient_is_the_models_alone(moved):
    later, reference = moved
    before = [buffer.clone() for buffer in reference.buffers()]
    divergence(later.train(), reference, packed(examples())).backward()
    assert later.training
    assert all(weight.grad is not None for weight in later.parameters())
    assert all(map(torch.equal, before, reference.buffers()))
    assert not reference.state_dict()
    assert not [*reference.parameters()]


def test_steps_split_as_they_like(toy, tmp_path):
    held = (*ASKS, "reference_kl=5", "likelihood_dropout=0.4", "lora.dropout=0", "steps=3")
    whole = train(toy_recipe(toy, *held, "pass_tokens=10000"), tmp_path / "whole")
    parts = train(toy_recipe(toy, *held, "pass_tokens=1"), tmp_path / "parts")
    found, expected = weights(parts), weights(whole)
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-4)


def test_a_run_that_goes_on_is_held_to_its_first_weights(toy, tmp_path):
    held = toy_recipe(toy, *ASKS, "reference_kl=5")
    unbroken = train(held, tmp_path / "unbroken")
    broken = train(held, tmp_path / "broken")
    (broken / "checkpoints" / "checkpoint-12" / "trainer_state.json").unlink()
    assert same(weights(train(held, broken)), weights(unbroken))


@pytest.mark.parametrize("shape", ["lora.rank=4", "lora=null"])
def test_the_likelihood_is_held(toy, tmp_path, shape):
    """The run that is held ends nearer to where both began."""
    free, held = (
        train(toy_recipe(toy, *ASKS, shape, f"reference_kl={share}"), tmp_path / str(share))
        for share in (0, 50)
    )
    pack = packed(_windows(toy))
    model, _ = build(toy_recipe(toy, *ASKS, shape, "reference_kl=1"))
    far = []
    for folder in (free, held):
        model.restore(folder)
        far.append(model(pack).divergence.item())
    assert 0 < far[1] < far[0] / 2


def _windows(toy):
    settings = toy_recipe(toy, *ASKS).settings()
    made = Prompter(Encoder(tiny_tokenizer()), settings, 2048)
    mixture = Mixture([Source(toy_rows())], sizes=Sizes(4, 4), identifiers=30)
    return [*Examples(mixture, made, lengths=Sizes(8, 8), count=4)]


def test_what_cannot_be_held_is_refused(toy):
    with pytest.raises(SettingsError, match="no likelihood is part of the scores"):
        toy_recipe(toy, "reranker.layout=cross", "reference_kl=1")
    with pytest.raises(SettingsError, match="which fsdp cuts up; set fsdp: false"):
        toy_recipe(toy, *ASKS, "reference_kl=1", "fsdp=true")
    with pytest.raises(SettingsError, match="reference_kl must be at least 0, found -1"):
        toy_recipe(toy, *ASKS, "reference_kl=-1")
