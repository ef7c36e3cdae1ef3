"""Scores that the query's likelihood is part of: in training as the engine reads them."""

import pytest
import torch

from reranker.encoder import Encoder
from reranker.engine import Engine
from reranker.errors import SettingsError
from reranker.passage import Passage
from reranker.prompter import Prompter
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer
from tests.training.toy import toy_recipe
from training.examples import Examples, example_of
from training.forward import pack_attention, read_pack
from training.job import train
from training.mixture import Mixture, Source
from training.pack import packed
from training.row import Judged, Row
from training.window import Sizes

PASSAGES = tuple(Passage("word " * count + "end") for count in (3, 9, 1, 5))
QUERIES = {"one": (1.0, 0.0, 0.0, 0.0), "a longer two": (0.0, 1.0, 0.0, 2.0)}


def prompter(*, absolute):
    settings = Settings(layout="cross", likelihood=0.3, absolute=absolute)
    return Prompter(Encoder(tiny_tokenizer()), settings, 2048)


def example(made):
    (first, *rest) = (Judged(query, labels) for query, labels in QUERIES.items())
    row = Row(first.query, PASSAGES, first.relevance, others=tuple(rest))
    mixture = Mixture([Source([row])], sizes=Sizes(4, 4), identifiers=30, queries=2)
    [found] = Examples(mixture, made, lengths=Sizes(16, 16), count=1)
    return found, mixture.window(0)


@pytest.mark.parametrize("absolute", [False, True])
def test_it_is_what_the_engine_reads(absolute):
    made = prompter(absolute=absolute)
    found, window = example(made)
    model = tiny_model(tiny_tokenizer())
    pack_attention(model)
    with torch.no_grad():
        scores = read_pack(model, packed([found])).scores
    ids = [*made.identifiers.token_ids, *([made.null_id] if absolute else [])]
    engine = Engine(tiny_model(tiny_tokenizer()), ids, whole_head=True)
    table = {token: place for place, token in enumerate(made.identifiers.token_ids)}
    dealt = [table[token] for token in found.identifier_ids]
    asked = [window.row.query, *(other.query for other in window.row.others)]
    for query, trained in zip(asked, scores, strict=True):
        candidates = made.encode(query, window.row.passages).shortened(16)
        [expected] = engine.score([made.prompt(candidates, range(4), dealt)])
        torch.testing.assert_close(trained, torch.tensor(expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize("absolute", [False, True])
def test_a_prompt_in_any_order_of_blocks_is_an_example(absolute):
    made = prompter(absolute=absolute)
    model = tiny_model(tiny_tokenizer())
    pack_attention(model)
    ids = [*made.identifiers.token_ids, *([made.null_id] if absolute else [])]
    engine = Engine(tiny_model(tiny_tokenizer()), ids, whole_head=True)
    prompts = [made.prompt(made.encode(query, PASSAGES), [0, 2, 1, 3]) for query in QUERIES]
    assert any(list(p.asked.places) != sorted(p.asked.places) for p in prompts)
    with torch.no_grad():
        scores = read_pack(model, packed([example_of(prompt) for prompt in prompts])).scores
    torch.testing.assert_close(scores, torch.tensor(engine.score(prompts)), atol=1e-4, rtol=0)


def test_padding_takes_part_in_nothing():
    made = prompter(absolute=True)
    model = tiny_model(tiny_tokenizer())
    pack_attention(model)
    short, long = (
        example_of(made.prompt(made.encode("a query", PASSAGES), window))
        for window in ([0, 1], [2, 1, 3, 0])
    )
    with torch.no_grad():
        both = read_pack(model, packed([short, long])).scores
        alone = read_pack(model, packed([short])).scores
    torch.testing.assert_close(both[0, :2], alone[0], atol=1e-5, rtol=0)


def test_a_recipe_trains_it(toy, tmp_path):
    from reranker import Reranker

    recipe = toy_recipe(toy, "reranker.layout=cross", "reranker.likelihood=0.5", "queries=2")
    reranker = Reranker(train(recipe, tmp_path / "out"), device="cpu")
    assert reranker.settings.likelihood == 0.5
    assert len(reranker.rank("which", ["yes", "no"])) == 2


def test_a_layout_that_asks_no_passage_is_refused(toy, tmp_path):
    recipe = toy_recipe(toy, "reranker.layout=suffix", "reranker.likelihood=0.5")
    with pytest.raises(SettingsError, match="layout='cross'"):
        train(recipe, tmp_path / "out")


def test_a_share_of_windows_is_scored_by_the_identifiers_alone():
    made = prompter(absolute=True)
    row = Row("one", PASSAGES, (1.0, 0.0, 0.0, 0.0))
    mixture = Mixture([Source([row])], sizes=Sizes(4, 4), identifiers=30)

    def examples(share):
        return [*Examples(mixture, made, lengths=Sizes(16, 16), count=40, likelihood_dropout=share)]

    whole, half, none = (examples(share) for share in (0, 0.5, 1))
    assert all(one.branches[0].asked for one in whole)
    assert 10 < sum(one.branches[0].asked is None for one in half) < 30
    model = tiny_model(tiny_tokenizer())
    pack_attention(model)
    # What the others are scored by in the same pack changes nothing for them.
    mixed = [none[0], whole[0], none[1], whole[1]]
    with torch.no_grad():
        together = read_pack(model, packed(mixed)).scores
        alone = torch.cat([read_pack(model, packed([one])).scores for one in mixed])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_dropout_without_a_likelihood_is_refused(toy):
    with pytest.raises(SettingsError, match=r"no likelihood is part of the scores; set reranker"):
        toy_recipe(toy, "reranker.layout=cross", "likelihood_dropout=0.5")
    with pytest.raises(SettingsError, match=r"share from 0 to 1, found 2"):
        toy_recipe(toy, "reranker.layout=cross", "reranker.likelihood=1", "likelihood_dropout=2")
