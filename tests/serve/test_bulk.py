"""`python -m serve.bulk`, as far as it goes without Ray."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from reranker.errors import DataError, MissingExtraError, RerankerError
from serve.bulk.__main__ import app
from serve.bulk.cluster import ClusterOptions, Share
from serve.bulk.first_stage import FirstStage
from serve.bulk.manifest import Manifest
from serve.bulk.output import Output
from serve.bulk.plan import Plan
from serve.bulk.record import Record
from serve.bulk.watch import Watch
from tests.serve.bulk import (
    PASSAGES,
    candidates_of,
    job_of,
    queries_of,
    save_collection,
    save_run,
    saved,
)


def ids_of(plan: Plan) -> dict[str, list[str | None]]:
    return {
        query: [plan.passages[place].id for place in places]
        for (query, _), places in zip(plan.queries, plan.candidates, strict=True)
    }


def test_a_plan_holds_the_run_in_its_order_and_to_its_depth(tmp_path: Path) -> None:
    first_stage = saved(tmp_path, 5, 6)
    plan = replace(first_stage, depth=4).plan(2)
    assert ids_of(plan) == {query: ids[:4] for query, ids in candidates_of(5, 6).items()}
    assert list(ids_of(plan)) == ["q4", "q3", "q2", "q1", "q0"]
    assert dict(plan.queries) == queries_of(5)
    assert all(passage == PASSAGES[str(passage.id)] for passage in plan.passages)
    assert [plan.ids(number) for number in range(plan.shards)] == [
        ["q4", "q3"],
        ["q2", "q1"],
        ["q0"],
    ]


def test_what_the_collection_lacks_is_told_or_skipped(tmp_path: Path) -> None:
    collection = save_collection(tmp_path / "c", queries_of(2))
    candidates = {"q0": ["p1", "lost", "p2"], "stranger": ["p3"], "q1": ["lost", "other"]}
    first_stage = FirstStage(collection=collection, run=save_run(tmp_path / "r", candidates))
    with pytest.raises(DataError, match=r"1 of the 3 queries .*'stranger'.*--skip-missing"):
        first_stage.plan(2)
    save_run(tmp_path / "r", {name: ids for name, ids in candidates.items() if name != "stranger"})
    with pytest.raises(DataError, match=r"2 of the 4 passages .*'lost', 'other'"):
        first_stage.plan(2)
    found = ids_of(replace(first_stage, skip_missing=True).plan(2))
    assert found == {"q0": ["p1", "p2"], "q1": []}


def test_a_run_whose_queries_do_not_stand_together_is_told(tmp_path: Path) -> None:
    first_stage = saved(tmp_path, 2, 2)
    lines = first_stage.run.read_text().splitlines(keepends=True)
    first_stage.run.write_text("".join([lines[0], *lines[2:], lines[1]]))
    with pytest.raises(DataError, match=r"'q1' do not stand together; sort"):
        first_stage.plan(2)


def test_fingerprints_tell_what_changed(tmp_path: Path) -> None:
    def differing(queries: dict[str, str], passages: Any, candidates: Any) -> set[str]:
        collection = save_collection(tmp_path / "c", queries, passages)
        run = save_run(tmp_path / "r", candidates)
        now = FirstStage(collection=collection, run=run).plan(2).fingerprints()
        return {name for name in now if now[name] != before[name]}

    queries, candidates = queries_of(3), candidates_of(3, 4)
    before = saved(tmp_path, 3, 4).plan(2).fingerprints()
    assert differing(queries, PASSAGES, candidates) == set()
    other = {id_: replace(passage, text="other") for id_, passage in PASSAGES.items()}
    assert differing(queries, PASSAGES | {"p79": other["p79"]}, candidates) == set()
    assert differing(queries, PASSAGES | {"p0": other["p0"]}, candidates) == {"passages"}
    assert differing(queries | {"q1": "other"}, PASSAGES, candidates) == {"queries"}
    swapped = candidates | {"q0": [*candidates["q0"][:2], *candidates["q0"][:1:-1]]}
    assert differing(queries, PASSAGES, swapped) == {"run"}


def test_a_manifest_names_what_differs(tmp_path: Path) -> None:
    facts = {"depth": 10, "identifiers": ("A", "B"), "run": "0" * 64}
    Manifest(tmp_path, bound=False).agree("input", facts)
    manifest = Manifest(tmp_path, bound=True)
    manifest.agree("input", facts)
    manifest.agree("model", {"name": "one"})
    with pytest.raises(DataError, match=r"depth was 10 and is 5; run is not what it was\. Go on"):
        manifest.agree("input", facts | {"depth": 5, "run": "1" * 64})
    with pytest.raises(DataError, match="name was 'one' and is 'two'"):
        Manifest(tmp_path, bound=True).agree("model", {"name": "two"})
    # Nothing stands there that was made by it.
    Manifest(tmp_path, bound=False).agree("input", {"depth": 5})


def records_of(plan: Plan, number: int) -> list[Record]:
    return [Record(id_, run=f"{id_} Q0 p 1 1 t\n") for id_ in plan.ids(number)]


def lines_of(records: list[Record]) -> str:
    return "".join(record.line() for record in records)


def test_parts_become_a_run_in_the_order_of_the_plan(tmp_path: Path) -> None:
    plan, output = saved(tmp_path, 5, 2).plan(2), Output(tmp_path / "out")
    assert output.pending(plan, retry=False) == [0, 1, 2]
    for number in (2, 0):
        output.write(number, lines_of(records_of(plan, number)))
    assert output.pending(plan, retry=False) == [1]
    failed = Record("q1", error="InputError: blank")
    output.write(1, lines_of([records_of(plan, 1)[0], failed]))
    assert output.merge(plan) == 1
    assert [line.split()[0] for line in output.run.read_text().splitlines()] == [
        "q4",
        "q3",
        "q2",
        "q0",
    ]
    assert json.loads(output.failed.read_text()) == {"query": "q1", "error": "InputError: blank"}
    assert output.pending(plan, retry=False) == []
    assert output.pending(plan, retry=True) == [1]


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda records: records[:1],
        lambda records: [*records, records[0]],
        lambda records: records[::-1],
        lambda records: [],
    ],
)
def test_a_part_that_lost_or_doubled_a_query_is_told(tmp_path: Path, spoilt: Any) -> None:
    plan, output = saved(tmp_path, 2, 2).plan(2), Output(tmp_path / "out")
    output.write(0, lines_of(spoilt(records_of(plan, 0))))
    with pytest.raises(DataError, match=r"00000000\.jsonl does not hold .* remove it"):
        output.merge(plan)
    assert not output.run.exists()


def test_a_part_that_is_not_whole_is_told(tmp_path: Path) -> None:
    plan, output = saved(tmp_path, 2, 2).plan(2), Output(tmp_path / "out")
    output.write(0, lines_of(records_of(plan, 0))[:-9])
    with pytest.raises(DataError, match="does not hold its queries"):
        output.merge(plan)


def test_two_jobs_do_not_share_an_output(tmp_path: Path) -> None:
    other = Output(tmp_path).locked()
    with Output(tmp_path).locked(), pytest.raises(DataError, match="another process is writing"):
        other.__enter__()


def test_a_record_tells_no_message_that_may_hold_a_text() -> None:
    assert Record.of("q", DataError("what it said")).error == "DataError: what it said"
    assert Record.of("q", ValueError("secret text")).error == "ValueError"
    record = Record.of("q", ValueError("secret text"))
    assert Record.parse(record.line()) == record
    assert json.loads(record.failure()) == {"query": "q", "error": "ValueError"}


def test_a_watch_leaves_out_what_was_in_hand_when_its_worker_died() -> None:
    watch = Watch()
    assert watch.begin(7) is None
    # Nothing was ranked by itself: no query is to blame yet.
    assert watch.begin(7) == set()
    watch.take(7, "q1")
    watch.take(7, "q2")
    assert watch.begin(7) == {"q2"}
    watch.take(7, "q3")
    watch.end(7)
    assert watch.begin(7) == {"q2"}
    assert watch.begin(8) is None


@pytest.mark.parametrize(
    ("options", "device", "there", "share"),
    [
        ({}, None, {"CPU": 8.0}, Share(1, 0.0, 8)),
        ({"replicas": 3}, None, {"CPU": 8.0}, Share(3, 0.0, 2)),
        ({"replicas": 3}, None, {"CPU": 2.0}, Share(3, 0.0, 0)),
        ({}, None, {"CPU": 8.0, "GPU": 4.0}, Share(4, 1.0, 1)),
        ({"gpus": 0.5}, None, {"CPU": 8.0, "GPU": 4.0}, Share(8, 0.5, 1)),
        ({}, "cpu", {"CPU": 8.0, "GPU": 4.0}, Share(1, 0.0, 8)),
        ({"address": "auto", "replicas": 2}, None, {"CPU": 64.0}, Share(2, 0.0, 1)),
        ({"address": "auto", "cpus": 16}, None, {"CPU": 64.0}, Share(1, 0.0, 16)),
    ],
)
def test_rankers_share_the_cluster(
    options: Any, device: Any, there: Any, share: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = SimpleNamespace(cluster_resources=lambda: there)
    monkeypatch.setattr("serve.bulk.cluster._imported", lambda: ray)
    assert ClusterOptions(**options).share(device=device) == share


def test_a_machine_without_room_is_told_and_a_cluster_may_grow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 2.0})
    monkeypatch.setattr("serve.bulk.cluster._imported", lambda: ray)
    with pytest.raises(RerankerError, match="takes 1 GPUs and 1 cores, and there are 0 and 2"):
        ClusterOptions(gpus=1.0).share(device=None)
    assert ClusterOptions(gpus=1.0, address="auto").share(device=None) == Share(1, 1.0, 1.0)
    assert "waiting for the cluster to grow" in caplog.text


def test_ray_client_is_refused() -> None:
    with (
        pytest.raises(RerankerError, match="ray job submit"),
        ClusterOptions(address="ray://head:10001").connected(verbose=False),
    ):
        pass


def test_an_empty_run_is_an_empty_run_and_needs_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    first_stage = saved(tmp_path, 2, 2)
    first_stage.run.write_text("")
    arguments = [str(first_stage.collection), str(first_stage.run), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "0 queries reranked" in result.output
    assert (tmp_path / "out/run.trec").read_text() == (tmp_path / "out/failed.jsonl").read_text()


def test_an_error_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    result = CliRunner().invoke(app, [str(tmp_path), "absent.trec", "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.output.startswith(f"error: {tmp_path} holds neither corpus.jsonl")
    assert len(result.output.splitlines()) == 1


def test_ray_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    job = job_of(saved(tmp_path, 2, 2), tmp_path / "out", tmp_path / "model")
    with pytest.raises(MissingExtraError, match=r"pip install 'reranker\[serve\]'"):
        job.run()
