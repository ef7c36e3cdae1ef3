"""`reranker index`: passages kept ahead of any query."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reranker.cli.app import app
from reranker.errors import SettingsError
from reranker.passage_store import PassageStore
from tests.tiny import save_tiny

pytest.importorskip("lmdb")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"_id": f"p{n}", "title": "", "text": f"passage {n}"} for n in range(70)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "what"}))
    save_tiny(tmp_path / "tiny")
    return tmp_path


def test_a_collection_is_read_once_and_then_passed_over(folder: Path) -> None:
    options = ["--model", str(folder / "tiny"), "--layout", "blocks", "--cache", str(folder / "c")]
    part = CliRunner().invoke(app, ["index", str(folder), *options, "--limit", "10"])
    assert part.exit_code == 0, part.output
    assert "10 passages, 10 of them new" in part.output
    whole = CliRunner().invoke(app, ["index", str(folder), *options])
    assert "70 passages, 60 of them new" in whole.output
    ranked = CliRunner().invoke(
        app, ["rank", "--collection", str(folder), "--run", str(_run(folder)), *options]
    )
    assert ranked.exit_code == 0, ranked.output
    again = CliRunner().invoke(app, ["index", str(folder), *options])
    assert "70 passages, 0 of them new" in again.output


def test_the_traceback_of_an_error_is_shown_on_demand(folder: Path) -> None:
    found = CliRunner().invoke(app, ["index", str(folder), "--verbose"])
    assert isinstance(found.exception, SettingsError)
    found = CliRunner().invoke(app, ["index", str(folder)])
    assert found.stderr.startswith("error: name a folder")


def _run(folder: Path) -> Path:
    lines = [f"q Q0 p{n} {n + 1} {70 - n} bm25" for n in range(20)]
    path = folder / "run.trec"
    path.write_text("\n".join(lines))
    return path


def test_it_needs_a_folder_and_a_layout_that_keeps(folder: Path) -> None:
    model = ["--model", str(folder / "tiny")]
    result = CliRunner().invoke(app, ["index", str(folder), *model, "--layout", "blocks"])
    assert result.exit_code != 0
    assert isinstance(result.exception, SettingsError) or "--cache FOLDER" in result.output
    options = [*model, "--layout", "suffix", "--cache", str(folder / "c")]
    result = CliRunner().invoke(app, ["index", str(folder), *options])
    assert result.exit_code != 0
    assert "layout='blocks'" in (result.output + str(result.exception))


# The indexer, telling each batch as soon as it is written.
INDEXER = """
import sys
from reranker import Reranker
from reranker.cli.app import app

keep = Reranker.keep


def told(self, passages):
    found = keep(self, passages)
    print(found, flush=True)
    return found


Reranker.keep = told
app(sys.argv[1:])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal here")
@pytest.mark.parametrize("seed", range(2))
def test_killed_anywhere_it_loses_the_batch_in_flight_alone(tmp_path: Path, seed: int) -> None:
    rows = [{"_id": f"p{n}", "text": f"passage {n} of many"} for n in range(1280)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "what"}))
    model = ["--model", str(save_tiny(tmp_path / "tiny")), "--layout", "blocks"]
    command = ["index", str(tmp_path), *model, "--cache", str(tmp_path / "kept")]
    finished = _killed([sys.executable, "-c", INDEXER, *command], random.Random(seed))
    assert 0 < finished < 1280, "it was killed in the middle"
    store = PassageStore(tmp_path / "kept", budget=1 << 30)
    # The prefix is an entry too.
    assert finished <= len(store) - 1 <= finished + 64
    keys = list(store._env.begin().cursor().iternext(values=False))
    assert store.get(keys)[1] == 0
    before = len(store) - 1
    resumed = CliRunner().invoke(app, command)
    assert f"1,280 passages, {1280 - before:,} of them new" in resumed.output
    assert len(store) - 1 == 1280


def _killed(command: list[str], draw: random.Random) -> int:
    """Start a command, kill it at a random moment; the sum of the numbers that it printed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(draw.randint(1, 8))]
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    return sum(int(line) for line in lines if line.endswith("\n"))
