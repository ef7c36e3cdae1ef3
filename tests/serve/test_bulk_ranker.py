"""A ranker of a bulk job, without a cluster: what fails, fails alone."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray")

from reranker.cli.items import Item
from reranker.cli.options import RerankerOptions
from reranker.errors import InputError, NonFiniteLogitsError
from serve.bulk import ranker as module
from serve.bulk.ranker import Ranker, outcomes
from serve.bulk.record import Record
from serve.bulk.watch import Watch
from tests.serve.bulk import PASSAGES
from tests.serve.cluster import save_model
from tests.serve.house import Gate, tiny_reranker

# Ray and what it imports warn of themselves.
pytestmark = pytest.mark.filterwarnings("ignore")


def item(name: str, passages: int, query: str = "which number?") -> Item:
    return Item(name, query, list(PASSAGES.values())[:passages], name)


class Died(BaseException):
    """In the place of the process's end."""


class Worker:
    """A ranker whose watch outlives it, and the records that it returns."""

    def __init__(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def die(_: int) -> None:
            raise Died

        monkeypatch.setattr(module, "ray", SimpleNamespace(get=lambda value: value))
        monkeypatch.setattr(module.os, "_exit", die)
        watch = Watch()
        remote = {
            name: SimpleNamespace(remote=getattr(watch, name)) for name in ("begin", "take", "end")
        }
        self._arguments: dict[str, Any] = {
            "options": RerankerOptions(model=str(model)),
            "top_k": None,
            "instruction": None,
            "watch": SimpleNamespace(**remote),
        }
        self.restart()

    def restart(self) -> None:
        self.ranker = Ranker(**self._arguments)
        if not self.ranker._error:
            self.gate = Gate(self.ranker._reranker)

    def row(self, items: list[Item]) -> dict[str, Any]:
        block = module.pa.table({"shard": [5], "items": [pickle.dumps(items)]})
        [row] = self.ranker(block).to_pylist()
        return dict(row)

    def records(self, items: list[Item]) -> dict[str, str | None]:
        """Each query's error."""
        found = [Record.parse(line) for line in self.row(items)["records"].splitlines()]
        assert [record.query for record in found] == [item.id for item in items]
        assert all(bool(record.run) != bool(record.error) for record in found)
        return {record.query: record.error for record in found}


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(save_model(tmp_path / "tiny"), monkeypatch)


def test_what_fails_fails_alone_and_all_else_is_ranked_as_ever() -> None:
    reranker = tiny_reranker()
    gate = Gate(reranker)
    gate.poison[5] = NonFiniteLogitsError([0])
    items = [item("a", 12), item("blank", 3, " "), item("nan", 5), item("b", 4), item("none", 0)]
    found = dict(outcomes(reranker, items, top_k=3, instruction=None))
    assert isinstance(found["blank"], InputError)
    assert isinstance(found["nan"], NonFiniteLogitsError)
    assert found["none"] == reranker.rank("which number?", [])
    for each in (items[0], items[3]):
        expected = reranker.rank(each.query, each.passages, top_k=3)
        ranking = found[each.id]
        assert [p.id for p in ranking] == [p.id for p in expected]
        assert [p.score for p in ranking] == pytest.approx([p.score for p in expected], abs=1e-5)


def test_a_query_s_own_error_does_not_end_the_worker(worker: Worker) -> None:
    worker.gate.poison[5] = NonFiniteLogitsError([0])
    errors = worker.records([item("a", 4), item("nan", 5)])
    assert errors["a"] is None
    assert str(errors["nan"]).startswith("NonFiniteLogitsError")


def test_a_worker_that_can_rank_nothing_any_longer_ends(worker: Worker) -> None:
    items = [item("a", 4), item("b", 5), item("c", 3)]

    def break_down() -> None:
        """A pass with five passages breaks the device for all that follow."""
        score = worker.ranker._reranker.engine.score
        broken: list[bool] = []

        def breaking(prompts: Any) -> Any:
            broken.extend(True for prompt in prompts if len(prompt.identifiers) == 5)
            if broken:
                raise RuntimeError("device-side assert triggered")
            return score(prompts)

        worker.ranker._reranker.engine.score = breaking  # type: ignore[method-assign]

    for _ in range(2):
        break_down()
        with pytest.raises(Died):
            worker.row(items)
        worker.restart()
    break_down()
    # First together, then one by one: now the culprit is known.
    assert worker.records(items) == {
        "a": None,
        "b": "EngineError: the worker that ranked it died",
        "c": None,
    }


def test_a_model_that_cannot_be_loaded_is_told_in_the_place_of_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Worker(tmp_path / "absent", monkeypatch).row([item("a", 4)])
    assert row["records"] == ""
    assert row["error"].startswith("MissingWeightsError: there is no file or folder")
