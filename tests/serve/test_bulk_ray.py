"""A bulk job on Ray whose driver is killed, and then, as it goes on, a worker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import pytest

from reranker.errors import DataError
from reranker.reranker import Reranker
from reranker.run import read_trec
from serve.bulk.job import BulkJob, Summary
from tests.serve.bulk import PASSAGES, candidates_of, job_of, queries_of, save_run, saved
from tests.serve.cluster import HOUSE, save_model, until
from tests.tiny import save_tiny

pytest.importorskip("ray")
# Ray and what it imports warn of themselves.
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]
QUERIES, DEPTH = 31, 60


@dataclass(frozen=True)
class Survived:
    """A job that was killed and went on, and the times of the parts that were there before."""

    job: BulkJob
    summary: Summary
    before: dict[str, int]
    after: dict[str, int]


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survived]:
    import ray

    folder = tmp_path_factory.mktemp("bulk")
    model = save_model(folder / "tiny")
    job = job_of(saved(folder, QUERIES, DEPTH), folder / "out", model)
    kill_driver(job)
    before = parts(job.output)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with ThreadPoolExecutor(1) as pool:
            killed = pool.submit(kill_worker, job.output, len(before))
            summary = job.run()
        assert killed.result() < len(parts(job.output))
        yield Survived(job, summary, before, parts(job.output))
    finally:
        ray.shutdown()


def parts(output: Path) -> dict[str, int]:
    """The parts, and when they were written, in nanoseconds."""
    return {path.name: path.stat().st_mtime_ns for path in output.glob("parts/*.jsonl")}


def kill_driver(job: BulkJob) -> None:
    """Start the command, and kill it once a shard is finished and others are not."""
    command = [sys.executable, "-m", "serve.bulk", job.first_stage.collection, job.first_stage.run]
    options = ["--output", job.output, "--model", job.options.model, "--shard", job.shard]
    with subprocess.Popen(
        [str(word) for word in [*command, *options]],
        cwd=HOUSE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    ) as process:
        until(lambda: bool(parts(job.output)) or process.poll() is not None, 300)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def kill_worker(output: Path, finished: int) -> int:
    """Kill the worker as soon as it has finished a shard more; the shards finished by then."""
    from ray._private.state import actors

    until(lambda: len(parts(output)) > finished, 300)
    [pid] = [each["Pid"] for each in actors().values() if "MapWorker" in each["ActorClassName"]]
    os.kill(pid, signal.SIGKILL)
    return len(parts(output))


def test_a_killed_job_goes_on_where_it_was(survived: Survived) -> None:
    assert 0 < len(survived.before) < len(survived.after) == 16
    assert survived.after.items() >= survived.before.items()


def test_no_query_is_lost_or_doubled_and_all_rank_as_by_the_library(survived: Survived) -> None:
    reranker = Reranker(survived.job.options.model)
    lines = survived.job.output.joinpath("run.trec").read_text().splitlines()
    ranked = [query for query, _ in groupby(lines, key=lambda line: line.split()[0])]
    candidates, queries = candidates_of(QUERIES, DEPTH), queries_of(QUERIES)
    assert ranked == [query for query in candidates if query != "q3"]
    found = read_trec(survived.job.output / "run.trec")
    for query in ranked:
        passages = [PASSAGES[id_] for id_ in candidates[query]]
        expected = reranker.rank(queries[query], passages)
        assert found.ids(query) == [passage.id for passage in expected]
        scores = [score for _, score in found.rankings[query]]
        assert scores == pytest.approx([passage.score for passage in expected], abs=1e-5)


def test_a_poisoned_query_is_told_and_left_out(survived: Survived) -> None:
    output = survived.job.output
    assert survived.summary == Summary(QUERIES, 1, output / "run.trec", output / "failed.jsonl")
    [failure] = map(json.loads, survived.summary.failures.read_text().splitlines())
    assert failure["query"] == "q3"
    assert failure["error"].startswith("InputError: the query has no visible character")


def test_another_input_or_other_options_are_refused(survived: Survived, tmp_path: Path) -> None:
    job = survived.job
    run = save_run(tmp_path / "other.trec", candidates_of(QUERIES, DEPTH - 1))
    for other, told in {
        replace(job, first_stage=replace(job.first_stage, run=run)): "run is not what it was",
        replace(job, first_stage=replace(job.first_stage, depth=5)): "depth was 100 and is 5",
        replace(job, options=replace(job.options, window=4)): "window was None and is 4",
        replace(job, instruction="Prefer."): "instruction is not what it was",
        replace(job, shard=3): "shard was 2 and is 3",
    }.items():
        with pytest.raises(DataError, match=told):
            other.run()
    assert parts(job.output) == survived.after


def test_another_model_under_the_same_name_is_refused(survived: Survived) -> None:
    """The last test: it spoils the output."""
    job = survived.job
    save_tiny(Path(str(job.options.model)), seed=1)
    (job.output / "parts/00000000.jsonl").unlink()
    with pytest.raises(DataError, match="weights is not what it was"):
        job.run()
    assert not (job.output / "parts/00000000.jsonl").exists()
