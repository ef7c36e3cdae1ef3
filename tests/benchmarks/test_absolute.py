import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.absolute import __main__ as absolute
from benchmarks.absolute.calibration import auc, calibration_error, merged
from benchmarks.study import tables
from reranker.settings import Settings
from tests.tiny import save_tiny

labelled = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: 0 < sum(label for _, label in pairs) < len(pairs)
)


@given(labelled)
def test_auc_is_the_share_of_pairs_in_order(pairs):
    above = [s for s, label in pairs if label]
    below = [s for s, label in pairs if not label]
    won = sum((a > b) + (a == b) / 2 for a in above for b in below)
    scores, labels = zip(*pairs, strict=True)
    assert auc(scores, labels) == pytest.approx(won / (len(above) * len(below)))


def test_an_auc_needs_both():
    with pytest.raises(ValueError, match="needs relevant passages"):
        auc([1.0, 2.0], [True, True])


def test_calibration_error_by_hand():
    # Two bins: 0.9 and 0.9 with one relevant of two; 0.05 and 0.15, none relevant.
    assert calibration_error([0.9, 0.9, 0.05, 0.15], [True, False, False, False]) == pytest.approx(
        (0.8 + 0.05 + 0.15) / 4
    )
    assert calibration_error([1.0, 0.0], [True, False]) == 0.0


def test_probabilities_that_are_true_are_calibrated():
    rng = np.random.default_rng(0)
    chances = rng.random(20_000)
    assert calibration_error(chances, list(rng.random(20_000) < chances)) < 0.01


def test_parts_are_merged_by_score():
    assert merged([[("a", 3.0), ("b", 1.0)], [("c", 2.0), ("d", 1.0)]]) == ["a", "c", "b", "d"]


def test_the_command_writes_what_it_found(tmp_path, monkeypatch):
    pytest.importorskip("bm25s")
    folder = save_tiny(tmp_path / "tiny")
    settings = Settings(layout="suffix", window=8, stride=4, passage_tokens=8, absolute=True)
    settings.write(folder)
    monkeypatch.setattr(absolute, "RESULTS", tmp_path)
    command = ["out", "--collection", "embedded", "--model", str(folder), "--depth", "12"]
    result = CliRunner().invoke(absolute.app, [*command, "--request", "6", "--queries", "3"])
    assert result.exit_code == 0, result.output
    [found] = json.loads((tmp_path / "out/results.json").read_text())["collections"]
    assert found["queries"] == 3
    assert 0 <= found["auc"] <= 1
    assert f"{found['auc']:.3f}" in (tmp_path / "out/README.md").read_text()
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert f"| embedded-test | 3 | {found['auc']:.3f} |" in tables.absolute("out")
    assert tables.source("out").startswith("```\npython -m benchmarks.absolute")
    settings.override(absolute=False).write(folder)
    refused = CliRunner().invoke(absolute.app, command)
    assert "not trained for absolute scores" in str(refused.exception)
