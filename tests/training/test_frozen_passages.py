from statistics import fmean

import pytest
import torch

from data.measures import ndcg
from reranker import Reranker
from reranker.checkpoint import context_tokens
from reranker.encoder import Encoder
from reranker.errors import SettingsError
from reranker.passage_cache import PassageCache
from tests.training.toy import toy_folder, toy_recipe
from training.dev import dev_sets
from training.evaluation import Evaluation
from training.job import examples_of, train
from training.model import build
from training.pack import packed
from training.sources import open_source

LAYOUTS = ["{layout: blocks}", "{layout: cross}", "{layout: cross, likelihood: 0.5}"]


def recipe_of(folder, layout, *more):
    settings = layout.replace("}", ", window: 4, stride: 2, frozen_passages: true}")
    return toy_recipe(folder, f"reranker={settings}", "absolute=0.1", "lora.dropout=0", *more)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_trained_is_what_ranks(tmp_path, layout, monkeypatch):
    folder = toy_folder(tmp_path)
    dev = "dev=[{name: toy, rows: rows.jsonl, depth: 4, queries: 6}]"
    recipe = recipe_of(folder, layout, dev, "steps=4", "evaluate_every=4", "learning_rate=3e-2")
    judged = []
    measure = Evaluation.measure
    monkeypatch.setattr(Evaluation, "measure", lambda *a: judged.append(measure(*a)) or judged[-1])
    trained = train(recipe, tmp_path / "out")
    [dev_set] = dev_sets(recipe)
    cache = PassageCache(stored="float32")
    plain = Reranker(folder / "base", layout=recipe.settings().layout, cache=cache)
    plain.keep([passage for query in dev_set.queries for passage in query.passages])
    read = cache.statistics.computed
    reranker = Reranker(trained, cache=cache)
    found = [
        ndcg([q.grades[p.index] for p in reranker.rank(q.text, q.passages)], q.judged)
        for q in dev_set.queries
    ]
    assert [{"toy": pytest.approx(fmean(found))}] == judged
    # The base has read all that there is but the null candidate's empty passage.
    assert cache.statistics.computed == read + ("likelihood" in layout)


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_token_of_a_passage_is_adapted(tmp_path, layout, queries):
    """Whatever LoRA does, keys and values of prefix and passages are the base's."""
    recipe = recipe_of(toy_folder(tmp_path), layout, f"queries={queries}")
    model, tokenizer = build(recipe)
    sources = [open_source(item, recipe) for item in recipe.data]
    examples = examples_of(recipe, sources, Encoder(tokenizer), context_tokens(model.base))
    pack = packed([examples[0], examples[1]])
    assert pack.adapted is not None
    assert len(pack.adapted) == len(pack.tokens)
    states = []
    [first, *_] = [m for n, m in model.named_modules() if n.endswith("layers.1.self_attn.v_proj")]
    first.register_forward_hook(lambda *a: states.append(a[2][0]))
    for scale in (0.0, 0.3):
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.fill_(scale)
            model.eval()(pack)
    same = (states[0] - states[1]).abs().amax(dim=1) < 1e-6
    assert torch.equal(same, ~pack.adapted)


def test_a_whole_model_has_no_base_to_leave_alone(tmp_path):
    with pytest.raises(SettingsError, match="found lora: null"):
        recipe_of(toy_folder(tmp_path), LAYOUTS[0], "lora=null")
