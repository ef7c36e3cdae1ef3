"""What holds in every framework, without any."""

import importlib
import sys
import threading
import time

import pytest

from reranker import AsyncClient, Client
from reranker.errors import MissingExtraError, SettingsError
from reranker.integrations.ranker import checked, rank, rank_many
from reranker.passage import as_passages
from reranker.ranking import Ranking


class Backwards:
    """The last passage is the best; counts the calls at once."""

    def __init__(self):
        self.now = self.most = 0

    def rank(self, query, passages, *, top_k=None, instruction=None):
        self.now += 1
        self.most = max(self.most, self.now)
        time.sleep(0.01)
        self.now -= 1
        candidates = as_passages(passages)
        scored = [(place, float(place)) for place in range(len(candidates))]
        return Ranking.of_scores(query, candidates, scored[::-1][:top_k])


@pytest.mark.parametrize(
    "ranker", [None, 3, Backwards, AsyncClient("http://a"), type("Named", (), {"rank": 3})()]
)
def test_what_cannot_rank_is_refused(ranker):
    with pytest.raises(SettingsError, match="expected a Reranker"):
        checked(ranker)


def test_what_can_rank_is_taken():
    ranker = Backwards()
    assert checked(ranker) is ranker
    with Client("http://a") as client:
        assert checked(client) is client


def test_threads_take_turns():
    ranker = Backwards()
    threads = [threading.Thread(target=rank, args=(ranker, "q", ["a"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ranker.most == 1


def test_many_are_ranked_one_by_one_where_the_ranker_has_no_other_way():
    rankings = rank_many(Backwards(), ["q", "r"], [["a", "b"], ["c"]], top_k=1)
    assert [(each.query, each[0].text) for each in rankings] == [("q", "b"), ("r", "c")]


def test_many_are_ranked_together_where_it_has():
    class Together(Backwards):
        def rank_many(self, queries, passages, **options):
            return [queries, passages, options]

    assert rank_many(Together(), ["q"], [["a"]], instruction="i") == [
        ["q"],
        [["a"]],
        {"top_k": None, "instruction": "i"},
    ]


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("langchain", "langchain_core.documents", "langchain"),
        ("llama_index", "llama_index.core.postprocessor.types", "llama-index"),
        ("haystack", "haystack", "haystack"),
        ("pyterrier", "pyterrier", "pyterrier"),
        ("mteb", "mteb.models.model_meta", "mteb"),
    ],
)
def test_a_missing_framework_says_what_to_install(name, package, extra, monkeypatch):
    module = f"reranker.integrations.{name}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'reranker\[{extra}\]'"):
        importlib.import_module(module)
