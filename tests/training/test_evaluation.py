from math import log2

import pytest
import torch

from data.measures import ndcg
from reranker import Reranker
from reranker.collection import Collection
from reranker.encoder import Encoder
from reranker.errors import DataError
from reranker.passage import Passage
from reranker.prompter import Prompter
from tests.training.toy import toy_recipe
from training.dev import DevQuery, DevSet, dev_sets
from training.evaluation import Evaluation
from training.job import train
from training.model import build
from training.rows import write_rows
from training.sources import judged_rows


def beir(folder):
    (folder / "qrels").mkdir(parents=True)
    lines = [f'{{"_id": "p{n}", "text": "moss number {n}"}}' for n in range(12)]
    (folder / "corpus.jsonl").write_text("\n".join(lines))
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "moss number 7"}')
    (folder / "qrels/dev.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp7\t2\nq\tp3\t1\n")
    return folder


@pytest.mark.parametrize("prior", [0.0, 0.3])
def test_a_model_in_training_ranks_as_the_reranker_that_it_becomes(toy, tmp_path, prior):
    dev = "dev=[{name: toy, rows: rows.jsonl, queries: 9}]"
    recipe = toy_recipe(toy, dev, "steps=2", f"reranker.prior={prior}")
    [dev] = dev_sets(recipe)
    assert len(dev.queries) == 9
    model, tokenizer = build(recipe)
    prompter = Prompter(Encoder(tokenizer), recipe.settings(), 2048)
    evaluation = Evaluation([dev], prompter, recipe.settings(), pass_tokens=200)
    model.train()
    measured = evaluation.measure(model, torch.device("cpu"))
    assert model.training
    reranker = Reranker(
        toy / "base", device="cpu", layout="suffix", window=4, stride=2, prior=prior
    )
    values = []
    for query in dev.queries:
        ranking = reranker.rank(query.text, query.passages)
        values.append(ndcg([query.grades[item.index] for item in ranking], query.judged))
    assert measured == {"toy": pytest.approx(sum(values) / 9, abs=1e-12)}


def test_a_collection_counts_what_its_first_stage_missed(toy, tmp_path):
    folder = beir(tmp_path / "moss")
    (tmp_path / "run.trec").write_text("q Q0 p7 1 9.0 x\nq Q0 p1 2 8.0 x\n")
    dev = f"dev=[{{name: moss, collection: {folder}, first_stage: run.trec}}]"
    [moss] = dev_sets(toy_recipe(toy, dev, f"data_folder={tmp_path}"))
    [query] = moss.queries
    assert query == DevQuery(
        "moss number 7",
        (Passage("moss number 7", "p7"), Passage("moss number 1", "p1")),
        (2.0, 0.0),
        (2.0, 1.0),
    )
    assert ndcg(query.grades, query.judged) == pytest.approx(2 / (2 + 1 / log2(3)))


def test_a_dev_set_without_a_query_is_refused(toy, tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    recipe = toy_recipe(toy, "dev=[{name: a, rows: empty.jsonl}]", f"data_folder={tmp_path}")
    with pytest.raises(DataError, match="'a' holds no query"):
        dev_sets(recipe)


def test_a_failing_query_is_named(toy):
    recipe = toy_recipe(toy)
    model, tokenizer = build(recipe)
    prompter = Prompter(Encoder(tokenizer), recipe.settings(), 16)
    query = DevQuery("which", (Passage("yes"), Passage("no")), (1.0, 0.0), (1.0,))
    dev = DevSet("toy", (query,))
    evaluation = Evaluation([dev], prompter, recipe.settings(), pass_tokens=200)
    with pytest.raises(ValueError, match="window of 2") as caught:
        evaluation.measure(model, torch.device("cpu"))
    assert "while ranking 'which' of dev set 'toy'" in caught.value.__notes__


def test_collections_give_rows_with_random_negatives(toy, tmp_path):
    passages = {f"p{n}": Passage(f"text {n}", f"p{n}") for n in range(30)}
    qrels = {"a": {"p1": 1, "p2": 2, "p3": 0}, "b": {"p4": 0}}
    collection = Collection("c", passages, {"a": "first", "b": "second"}, qrels)
    [row] = judged_rows(collection, 10, seed=0)
    assert row.query == "first"
    assert [p.id for p in row.passages[:2]] == ["p2", "p1"]
    assert row.relevance == (2.0, 1.0, *[0.0] * 8)
    assert len({p.id for p in row.passages} - {"p3"}) == 10
    assert [row] == list(judged_rows(collection, 10, seed=0))


def test_a_collection_can_be_trained_on(toy, tmp_path):
    folder = beir(tmp_path / "moss")
    data = f"data=[{{collection: {folder}, split: dev, passages: 4}}]"
    assert (train(toy_recipe(toy, data, "steps=1"), tmp_path / "out") / "training.json").is_file()


def test_rows_of_no_use_are_left_out_of_dev(toy, tmp_path):
    from tests.training.toy import toy_rows

    write_rows(toy_rows(3), tmp_path / "dev.jsonl")
    with (tmp_path / "dev.jsonl").open("a") as stream:
        stream.write("{}\n")
    recipe = toy_recipe(toy, "dev=[{name: a, rows: dev.jsonl}]", f"data_folder={tmp_path}")
    assert len(dev_sets(recipe)[0].queries) == 3
