from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.sizing.__main__ import (
    AROUND_PASSAGE,
    ASKING,
    KEPT_TAIL,
    Demand,
    Hardware,
    Model,
    engine_seconds,
    plan,
    reading,
)
from benchmarks.sizing.table import CORE, HARDWARE, SMALL, app, examples, lines
from reranker.errors import InputError

DOCUMENT = Path(__file__).parents[2] / "docs" / "sizing.md"
# One operation a parameter and token would be 1 s: 2 of them, and no attention.
MODEL = Model(name="m", parameters=0.5, layers=0, width=1, kept_width=1)
MACHINE = Hardware(name="h", operations=100.0, used=0.5, moved=1e9, dollars=3.6, front=0.0)
DEMAND = Demand(queries_per_second=1.0, candidates=4, passage_tokens=6, query_tokens=10)


def test_one_window_reads_all_once() -> None:
    found = reading(DEMAND)
    assert (found.windows, found.tokens) == (1, 10 + 4 * (6 + AROUND_PASSAGE))
    assert found.kept_tokens == 0


def test_sliding_windows_read_what_they_share_twice() -> None:
    found = reading(replace(DEMAND, strategy="sliding", candidates=40))
    # 20 to 39, 10 to 29 and 0 to 19.
    assert (found.windows, found.tokens) == (3, 30 + 60 * (6 + AROUND_PASSAGE))


def test_what_is_kept_is_read_by_its_identifier_alone() -> None:
    found = reading(replace(DEMAND, kept=1.0))
    assert (found.tokens, found.kept_tokens) == (10 + 4 * KEPT_TAIL, 24)


def test_passages_that_are_asked_the_query_read_it_each() -> None:
    found = reading(replace(DEMAND, asks=True))
    assert found.tokens == 10 + 4 * (6 + KEPT_TAIL + 10 + ASKING)
    kept = reading(replace(DEMAND, asks=True, kept=1.0))
    assert kept.tokens == 10 + 4 * (10 + ASKING + KEPT_TAIL)


def test_seconds_are_operations_over_speed() -> None:
    # 50 tokens of one operation, 50 operations a second.
    assert engine_seconds(DEMAND, MODEL, MACHINE) == pytest.approx(1.0)


def test_attention_grows_with_the_window() -> None:
    model = Model(name="m", parameters=0.0, layers=3, width=5, kept_width=1)
    # Two products of a multiplication and an addition, over half the window on average.
    assert model.operations(8.0) == 2 * 2 * 3 * 5 * 8 / 2
    assert replace(model, kept_width=7).kept_bytes == 2 * 3 * 7 * 2


def test_kept_passages_cost_their_transport() -> None:
    model = replace(MODEL, parameters=0.0, layers=1, width=0, kept_width=1)
    slow = replace(MACHINE, moved=96.0)
    # 24 tokens of 4 bytes.
    assert engine_seconds(replace(DEMAND, kept=1.0), model, slow) == pytest.approx(1.0)


def test_measured_hardware_reads_as_fast_as_measured() -> None:
    machine = MACHINE.with_tokens_per_second(20.0, MODEL, 50.0)
    assert machine.measured
    assert engine_seconds(DEMAND, MODEL, machine) == pytest.approx(50 / 20)


def test_a_plan_by_hand() -> None:
    # A second each, all alike, 2 a second: three replicas are busy two thirds of the time.
    found = plan(
        replace(DEMAND, queries_per_second=2.0, variation=0.0), MODEL, MACHINE, slowest=10.0
    )
    assert (found.replicas, found.machines) == (3, 3)
    assert found.busy == pytest.approx(2 / 3)
    # Erlang's C of 3 and 2 is 4/9; half of what exponential times would wait.
    assert found.wait == pytest.approx(4 / 9 / 2)
    assert found.queue == pytest.approx(2 * (1 + 2 / 9) / 3)
    # 3 machines of 3.6 dollars an hour, 7,200 queries an hour.
    assert found.dollars == pytest.approx(3 * 3.6 / 7200 * 1e6)


def test_a_short_wait_takes_more_replicas() -> None:
    demand = replace(DEMAND, queries_per_second=20.0, variation=1.0)
    replicas = [
        plan(demand, MODEL, MACHINE, slowest=each, busiest=0.99).replicas for each in (9, 1, 0.01)
    ]
    assert replicas == sorted(set(replicas))


def test_python_bounds_a_replica_that_reads_faster() -> None:
    demand = replace(DEMAND, queries_per_second=1000.0)
    fast = replace(MACHINE, operations=1e6, front=0.01)
    found = plan(demand, MODEL, fast)
    # 10 ms of Python against 0.1 ms of reading: a machine is shared by a hundred replicas.
    assert found.replicas >= 1000 * 0.01 / 0.7
    assert found.machines == 1


@pytest.mark.parametrize("wrong", [{"queries_per_second": 0.0}, {"candidates": 0}, {"kept": 1.5}])
def test_a_demand_that_makes_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="demand"):
        replace(DEMAND, **wrong)


def test_a_cache_costs_less_and_a_larger_demand_more() -> None:
    web = Demand(queries_per_second=50_000, candidates=100)
    kept = replace(web, kept=0.9)
    for hardware in HARDWARE[1:]:
        assert plan(kept, SMALL, hardware).machines < plan(web, SMALL, hardware).machines


def test_the_document_holds_what_the_model_says() -> None:
    assert lines(examples()) in DOCUMENT.read_text(encoding="utf-8")


def test_a_demand_of_ones_own() -> None:
    told = CliRunner().invoke(app, ["--rate", "5", "--tokens-per-second", "1000", "--dollars", "2"])
    assert told.exit_code == 0
    assert "| yours | 135M | measured* | 5 |" in told.output
    assert CliRunner().invoke(app, ["--rate", "5", "--model", "huge"]).exit_code == 2
    assert CORE.name in CliRunner().invoke(app, []).output
