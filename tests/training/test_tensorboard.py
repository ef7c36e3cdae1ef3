import pytest

from reranker.errors import MissingExtraError
from tests.training.toy import toy_recipe
from training.job import train

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def test_losses_rates_and_dev_measures_are_written_where_each_run_lies(toy, tmp_path):
    dev = "dev=[{name: toy, rows: rows.jsonl, depth: 2, queries: 4}]"
    options = ("tensorboard=true", "steps=3", "log_every=1", "evaluate_every=2", dev)
    first, second = (train(toy_recipe(toy, *options), tmp_path / name) for name in "ab")
    for output in (first, second):
        events = event_accumulator.EventAccumulator(str(output / "tensorboard")).Reload()
        losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
        assert [step for step, _ in losses] == [1, 2, 3]
        assert all(0 < value < 10 for _, value in losses)
        assert len(events.Scalars("train/learning_rate")) == 3
        measured = [(event.step, event.value) for event in events.Scalars("eval/toy_ndcg@10")]
        assert [step for step, _ in measured] == [2, 3]
        assert all(0 <= value <= 1 for _, value in measured)


def test_nothing_is_written_unasked(toy, tmp_path):
    output = train(toy_recipe(toy, "steps=1"), tmp_path)
    assert not list(output.rglob("*tfevents*"))


def test_tensorboard_that_is_not_installed_is_told(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("training.arguments.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reranker\[train\]'"):
        train(toy_recipe(toy, "tensorboard=true"), tmp_path)
