import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.blocks.__main__ import app, numbers, prepare
from benchmarks.blocks.contest import Contest, Round, Together
from benchmarks.blocks.entrants import (
    COLD,
    DISK,
    ENTRANTS,
    FULL,
    INT8,
    SET,
    SLIDING,
    WARM,
    Cell,
    rerankers,
    stretches,
    unfit,
)
from benchmarks.blocks.report import BlocksReport, markdown, milliseconds, ratios, read
from reranker.errors import DataError, InputError
from reranker.passage_cache import PassageCache
from reranker.reranker import Reranker
from tests.tiny import save_tiny

pytest.importorskip("lmdb")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def base(tiny: str) -> Reranker:
    return prepare(tiny, "blocks", "suffix", device="cpu")[0]


def contest(base: Reranker, folder: Path, cell: Cell, memory: int = 1 << 24) -> Contest:
    return Contest(base, cell, against="suffix", folder=folder, memory=memory)


def one(cell: Cell, number: int = 0, **values: object) -> Round:
    told = {
        "command": "python -m benchmarks.blocks x",
        "load": 0.5,
        "seconds": {SLIDING: 4.0, COLD: 2.0, WARM: 0.2},
        "tokens": {SLIDING: 40_000, COLD: 12_000, WARM: 12_000},
        "saved": 10_000,
        "skipped": {FULL: "a window of 12,000 tokens; 8,192 fit the model"},
        "bytes_kept": {WARM: 102_400, INT8: 51_200},
        "difference": None,
    }
    return Round(cell=cell, number=number, **(told | values))  # type: ignore[arg-type]


def test_every_entrant_takes_its_turn_and_reads_what_is_kept(
    base: Reranker, tmp_path: Path
) -> None:
    race = contest(base, tmp_path, Cell(25, 8))
    apart = race.prepare(exact=True)
    assert apart is not None
    assert apart < 1e-5
    found = race.round(3, "command", apart)
    assert list(found.seconds) == list(ENTRANTS)
    assert min(found.seconds.values()) > 0
    assert found.tokens[WARM] == found.tokens[COLD] == found.tokens[DISK]
    # Two windows read what one reads, and the passages they share twice.
    assert found.tokens[SLIDING] > found.tokens[FULL]
    assert found.saved == 25 * 8
    assert found.bytes_kept[INT8] < found.bytes_kept[WARM]


def test_cold_reads_all_and_warm_reads_none(base: Reranker, tmp_path: Path) -> None:
    race = contest(base, tmp_path, Cell(21, 30))
    race.prepare(exact=False)
    read: list[tuple[str, int]] = []
    for name in (COLD, WARM, INT8, DISK, COLD):
        cache = race._cache(name)
        assert cache is not None
        before = cache.statistics.computed
        race._rank(name, "what", race._passages, cache)
        read.append((name, cache.statistics.computed - before))
    assert read == [(COLD, 21), (WARM, 0), (INT8, 0), (DISK, 0), (COLD, 21)]


def test_nothing_is_left_to_compare_without_the_exact_ranking(
    base: Reranker, tmp_path: Path
) -> None:
    assert contest(base, tmp_path, Cell(3, 4)).prepare(exact=False) is None


def test_what_does_not_fit_is_left_out_and_says_why(base: Reranker, tmp_path: Path) -> None:
    most = len(base.identifiers)
    race = contest(base, tmp_path, Cell(most + 1, 16))
    assert f"holds {most} identifiers" in race.skipped[FULL]
    assert race.skipped.keys() == {FULL}
    assert "holds all passages" in contest(base, tmp_path, Cell(20, 16)).skipped[FULL]
    small = contest(base, tmp_path, Cell(40, 16), memory=1000)
    assert small.skipped.keys() == {COLD, WARM, INT8, DISK}
    assert "GiB, more than --memory" in small.skipped[WARM]
    assert small.prepare(exact=True) is None
    assert small.round(0, "x").seconds.keys() == {SLIDING, FULL, SET}


def test_a_window_over_the_context_is_told(base: Reranker) -> None:
    made = rerankers(base, Cell(60, 40), "suffix")
    passages = stretches(60, 40)
    why = unfit(made[FULL], passages)
    assert why is not None
    assert "2,048 fit the model" in why
    assert unfit(made[SLIDING], passages) is None
    assert unfit(made[SET], passages) is None


def test_more_passages_than_identifiers_slide(base: Reranker) -> None:
    most = len(base.identifiers)
    few, many = (rerankers(base, Cell(n, 8), "listwise") for n in (most, most + 1))
    assert few[WARM].settings.strategy == "full"
    assert many[WARM].settings.strategy == "sliding"
    assert many[SET].settings.window == most
    assert few[SLIDING].settings.layout == many[FULL].settings.layout == "listwise"


def test_caches_that_are_filled_together_read_once(base: Reranker) -> None:
    caches = [PassageCache(stored=stored) for stored in ("float32", "int8")]
    passages = stretches(4, 8)
    caches[1].memory = 0
    for _ in range(2):
        base.engine.cache = Together(caches)
        base.keep(passages)
    assert [cache.statistics.computed for cache in caches] == [4, 8]


def test_stretches_reach_their_cut(base: Reranker) -> None:
    passages = stretches(50, 30)
    assert len({passage.text for passage in passages}) == 50
    candidates = base.with_settings(passage_tokens=30).encode("-", passages)
    assert {len(passage.token_ids) for passage in candidates.passages} == {30}
    with pytest.raises(DataError, match="fewer --sizes"):
        stretches(10**6, 100)


def test_numbers_are_read() -> None:
    assert numbers("10, 20,10") == [10, 20]
    for text in ("", "10,x", "0", "1.5"):
        with pytest.raises(InputError, match="whole numbers"):
            numbers(text)


def test_medians_and_ratios_are_taken_by_round() -> None:
    cell = Cell(100, 100)
    rounds = [one(cell), one(cell, 1, seconds={SLIDING: 9.0, WARM: 0.3}), one(cell, 2, seconds={})]
    assert milliseconds(rounds, WARM) == pytest.approx(250)
    assert milliseconds(rounds, SET) is None
    assert ratios(rounds, SLIDING, WARM) == pytest.approx([20, 30])


def test_markdown_tells_what_is_required_and_what_was_left_out() -> None:
    report = BlocksReport("x", {"dtype": "float32", "identifiers": 403, "layout": "blocks"})
    for cell in (Cell(100, 100), Cell(20, 100)):
        report = report.added(one(cell, difference=2e-6))
    text = markdown(report.added(one(Cell(100, 100), 1, seconds={SLIDING: 1.0, WARM: 0.2})))
    name = "sliding windows / kept"
    assert f"| {name}, 100 passages of 100 tokens | 12.5 [5.0, 20.0] | ≥ 10 | met |" in text
    assert f"| {name}, 20 passages of 100 tokens | 20.0 [20.0, 20.0] | ≥ 4 | met |" in text
    assert "| score difference | 2.0e-06 | ≤ 0.0001 | met |" in text
    assert "| 20 | 100 | 1 | 4,000 | - | - | 2,000 | 200 | - | - |" in text
    assert "| 12.5 [5.0, 20.0] | 40,000 | 12,000 | 10,000 | 1 | 0 | 2.0e-06 |" in text
    assert "one window: a window of 12,000 tokens" in text
    assert "python -m benchmarks.blocks x" in text
    assert "--setting layout=blocks --strategy full --cache 4" in text


def test_a_difference_in_half_precision_is_not_held_to_float32s() -> None:
    report = BlocksReport("x", {"dtype": "bfloat16"}).added(one(Cell(9, 9), difference=0.1))
    assert "score difference | " not in markdown(report).split("## What keeping saves")[0]


def test_the_command_goes_on_where_it_stopped(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("benchmarks.blocks.__main__.RESULTS", tmp_path)
    options = ["x", "--model", tiny, "--device", "cpu", "--sizes", "3,22", "--lengths", "6"]

    def run(*more: str) -> dict[str, object]:
        told = CliRunner().invoke(app, [*options, *more], catch_exceptions=False)
        assert told.exit_code == 0, told.output
        found: dict[str, object] = json.loads((tmp_path / "x" / "blocks.json").read_text())
        return found

    first = run("--rounds", "1")["rounds"]
    assert isinstance(first, list)
    assert [(r["cell"]["passages"], r["number"]) for r in first] == [(3, 0), (22, 0)]
    again = run("--rounds", "2")["rounds"]
    assert isinstance(again, list)
    assert [r["number"] for r in again] == [0, 1, 0, 1]
    assert [again[0], again[2]] == first
    assert again[1]["difference"] is None
    assert (tmp_path / "x" / "blocks.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (tmp_path / "x").iterdir()} == {
        "README.md",
        "blocks.json",
        "blocks.png",
    }
    with pytest.raises(DataError, match=r"another configuration \(against\)"):
        CliRunner().invoke(app, [*options, "--against", "suffix"], catch_exceptions=False)
    assert len(run("--rounds", "1", "--fresh")["rounds"]) == 2  # type: ignore[arg-type]


def test_rounds_come_back_from_their_file(tmp_path: Path) -> None:
    report = BlocksReport("x", {"a": 1}).added(one(Cell(3, 4), difference=0.5))
    report.write(tmp_path)
    assert read("x", {"a": 1}, tmp_path) == report
    assert read("y", {"a": 1}, tmp_path / "none") == BlocksReport("y", {"a": 1})
