import logging

import pytest

from training.checkpoints import last_whole, seal, thin
from training.errors import TrainingError


def checkpoint(folder, step, *, sealed=True):
    made = folder / f"checkpoint-{step}"
    made.mkdir(parents=True)
    (made / "weights").write_text(f"weights {step}")
    (made / "state").write_text("state")
    if sealed:
        seal(made)
    return made


def test_no_checkpoint_is_none(tmp_path):
    assert last_whole(tmp_path / "absent") is None
    assert last_whole(tmp_path) is None


def test_the_latest_is_by_number(tmp_path):
    for step in (9, 10, 8):
        checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-best").mkdir()
    assert last_whole(tmp_path) == tmp_path / "checkpoint-10"


@pytest.mark.parametrize("damage", ["unsealed", "changed", "cut", "missing", "manifest"])
def test_a_damaged_one_is_passed_over_with_a_warning(tmp_path, caplog, damage):
    whole = checkpoint(tmp_path, 1)
    bad = checkpoint(tmp_path, 2, sealed=damage != "unsealed")
    if damage == "changed":
        (bad / "weights").write_text("weights 3")
    elif damage == "cut":
        (bad / "weights").write_text("")
    elif damage == "missing":
        (bad / "weights").unlink()
    elif damage == "manifest":
        (bad / "manifest.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert last_whole(tmp_path) == whole
    assert "checkpoint-2 is passed over" in caplog.text


def test_where_all_are_damaged_nothing_is_thrown_away_silently(tmp_path):
    (checkpoint(tmp_path, 1) / "state").write_text("other")
    with pytest.raises(TrainingError, match=r"every checkpoint in .* is damaged: state changed"):
        last_whole(tmp_path)


def test_a_first_one_whose_writing_was_broken_off_starts_anew(tmp_path, caplog):
    checkpoint(tmp_path, 1, sealed=False)
    with caplog.at_level(logging.WARNING):
        assert last_whole(tmp_path) is None
    assert "was broken off" in caplog.text


def test_thinning_keeps_the_latest(tmp_path):
    for step in (2, 10, 4):
        checkpoint(tmp_path, step)
    thin(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-4"]
