"""Queries that ask the same passages, each after every passage: as if each were alone."""

import copy
from dataclasses import replace

import pytest
import torch

from reranker.encoder import Encoder
from reranker.levels import positions
from reranker.passage import Passage
from reranker.prompter import Prompter
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer
from tests.training.toy import toy_recipe
from training.examples import Branch, Example, Examples
from training.forward import pack_attention, read_pack
from training.job import train
from training.mixture import Mixture, Source
from training.objectives import softmax_cross_entropy
from training.pack import packed
from training.row import Judged, Row
from training.tree import Tree, TreeRows
from training.window import Sizes

PASSAGES = tuple(Passage("word " * count + "end") for count in (3, 9, 1, 5))
QUERIES = {"one": (1.0, 0.0, 0.0, 0.0), "a longer two": (0.0, 1.0, 0.0, 2.0), "3": (0, 0, 1.0, 0)}


@pytest.fixture
def model():
    model = tiny_model(tiny_tokenizer())
    pack_attention(model)
    return model


def prompter():
    return Prompter(Encoder(tiny_tokenizer()), Settings(layout="cross"), 2048)


def examples(queries):
    first, *rest = queries
    others = tuple(Judged(query, QUERIES[query]) for query in rest)
    row = Row(first, PASSAGES, QUERIES[first], others=others)
    mixture = Mixture([Source([row])], sizes=Sizes(4, 4), identifiers=30, queries=4)
    return Examples(mixture, prompter(), lengths=Sizes(16, 16), count=1)


def gradients(model):
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_queries_share_their_passages_as_if_each_were_alone(model):
    [together] = examples(QUERIES)
    apart = [replace(together, branches=(branch,)) for branch in together.branches]
    one, two = packed([together]), packed(apart)
    saved = sum(map(len, together.shared[1])) + len(together.shared[0][0])
    assert len(two.tokens) - len(one.tokens) == 2 * saved
    other = copy.deepcopy(model)
    found, wanted = read_pack(model, one).scores, read_pack(other, two).scores
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    softmax_cross_entropy(found, one.labels, one.mask).backward()
    softmax_cross_entropy(wanted, two.labels, two.mask).backward()
    expected = gradients(other)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-6, rtol=1e-3)


def test_it_is_what_the_engine_reads(model):
    [example] = examples(["a longer two"])
    made = prompter()
    order = [PASSAGES.index(p) for p in examples(["a longer two"]).mixture.window(0).row.passages]
    table = {token: place for place, token in enumerate(made.identifiers.token_ids)}
    dealt = [table[token] for token in example.identifier_ids]
    prompt = made.prompt(made.encode("a longer two", PASSAGES).shortened(16), order, dealt)
    pack = packed([example])
    assert max(positions(prompt.levels)) == int(pack.positions.max())
    assert len(pack.tokens) == len(prompt)
    branch = Branch(prompt.closing, example.branches[0].labels)
    plain = Example(prompt.shared, example.identifier_ids, (branch,))
    torch.testing.assert_close(
        read_pack(model, pack).scores, read_pack(model, packed([plain])).scores, atol=1e-5, rtol=0
    )


def test_segments_that_see_the_same_are_read_by_one_call_where_little_is_wasted():
    tree = Tree((2, 60, 3, 3, 40, 40), ((), (0,), (0, 1), (0, 1), (), ()))
    # Together, 0, 4 and 5 would compute 82² products for 2² + 2 · 40² that are needed.
    assert tree.groups == [(0,), (4,), (5,), (1,), (2, 3)]
    assert tree.positions()[:2] == [0, 1]
    assert tree.positions()[62:65] == [62, 63, 64] == tree.positions()[65:68]


def test_a_recipe_trains_it(toy, tmp_path):
    from reranker import Reranker

    recipe = toy_recipe(toy, "reranker.layout=cross", "queries=2")
    ranking = Reranker(train(recipe, tmp_path / "out"), device="cpu").rank("which", ["yes", "no"])
    assert len(ranking) == 2


# A prefix, two passages that see it, a query behind each, and a closing after the queries.
BRANCHED = Tree((4, 3, 5, 2, 3, 3), ((), (0,), (0,), (0, 1), (0, 2), (0, 3, 4)))
PLACES = ([0, 1, 2, 3], [4, 5, 6], [4, 5, 6, 7, 8], [7, 8], [9, 10, 11], [12, 13, 14])
SDPA = torch.nn.functional.scaled_dot_product_attention


def each_apart(query, key, value, band):
    """Every segment of `BRANCHED` as a row of its own, behind copies of what it sees."""
    queries, keys, values = (torch.split(x, BRANCHED.lengths, dim=2) for x in (query, key, value))
    for own, sees in enumerate(BRANCHED.sees):
        read = (*sees, own)
        places = torch.tensor([place for segment in read for place in PLACES[segment]])
        back = torch.tensor(PLACES[own])[:, None] - places
        k, v = (torch.cat([x[segment] for segment in read], dim=2) for x in (keys, values))
        yield SDPA(queries[own], k, v, attn_mask=(back >= 0) & (back < band))


@pytest.mark.parametrize("band", [1, 3, 6, 9, 100])
def test_a_band_counts_positions_as_if_each_segment_were_alone(band):
    tensors = torch.randn(3, 1, 2, 2 * BRANCHED.size, 8, generator=torch.Generator().manual_seed(0))
    found = TreeRows([BRANCHED, BRANCHED]).attend(0, *tensors, band, SDPA)
    wanted = [part for row in tensors.chunk(2, dim=3) for part in each_apart(*row, band)]
    torch.testing.assert_close(found, torch.cat(wanted, dim=2), atol=1e-6, rtol=1e-5)
