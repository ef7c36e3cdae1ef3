import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.race import Limit, Result, hold
from benchmarks.speed.__main__ import app
from benchmarks.speed.contestants import Contestants, contestants
from benchmarks.speed.races import (
    RACES,
    first_token,
    long_lockstep,
    mixed_windows,
    overhead,
    permutation,
)
from benchmarks.speed.report import SpeedReport, markdown, plot
from benchmarks.timing import PairedTimes, time_pair
from benchmarks.workload import FULL, QUICK, draw, padding
from reranker.errors import DataError, EngineError
from tests.tiny import save_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def runners(tiny: str) -> Contestants:
    return contestants(tiny, QUICK, device="cpu")


def result(ratios: tuple[float, ...], limit: Limit | None) -> Result:
    times = PairedTimes(ratios, (1.0,) * len(ratios))
    return Result("a | race", "cpu", "slow", "fast", times, limit, {"tokens": 7, "share": 0.25})


def report(*results: Result, quick: bool = False) -> SpeedReport:
    return SpeedReport(
        command="python -m benchmarks.speed",
        model="tiny",
        rounds=3,
        workload=QUICK,
        quick=quick,
        results=results,
        threads=2,
        load_average=0.5,
        settings={"window": 6},
    )


def test_the_ratio_is_the_median_of_the_paired_ratios() -> None:
    times = PairedTimes((2.0, 9.0, 4.0), (1.0, 3.0, 1.0))
    assert times.ratios == (2.0, 3.0, 4.0)
    assert times.ratio == 3.0
    assert times.quartiles == (2.5, 3.5)
    assert times.medians == (4.0, 1.0)
    assert PairedTimes((3.0,), (2.0,)).quartiles == (1.5, 1.5)


def test_works_take_turns_after_a_warm_up() -> None:
    calls: list[str] = []
    rounds: list[int] = []
    times = time_pair(
        lambda: calls.append("A"), lambda: calls.append("B"), 3,
        after_round=lambda: rounds.append(1),
    )  # fmt: skip
    assert "".join(calls) == "AB" + "ABABAB"
    assert len(rounds) == len(times.first) == len(times.second) == 3


def test_short_works_are_repeated_and_the_mean_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr("benchmarks.timing.time.perf_counter", lambda: float(next(clock)))
    runs: list[int] = []
    times = time_pair(lambda: runs.append(1), lambda: None, 1, least_seconds=4.0)
    # A measurement takes one tick of this clock: two to warm up, then four runs in one turn.
    assert len(runs) == 2 + 4
    assert times.first == (0.25,)


def test_the_device_is_waited_for_around_every_measurement() -> None:
    events: list[str] = []
    time_pair(lambda: events.append("a"), lambda: events.append("b"), 1,
              wait=lambda: events.append("."))  # fmt: skip
    assert "".join(events) == ".a..b." * 2


def test_limits() -> None:
    assert Limit(1.05, at_most=True).met(1.05)
    assert not Limit(1.05, at_most=True).met(1.06)
    assert Limit(2.5).met(2.5)
    assert not Limit(2.5).met(2.4)
    assert (str(Limit(2.5)), str(Limit(1.05, at_most=True))) == ("≥ 2.5", "≤ 1.05")
    assert result((2.0,), Limit(1.5)).verdict == "met"
    assert result((2.0,), Limit(2.5)).verdict == "missed"
    assert result((2.0,), None).verdict == "-"


def test_padding_is_the_share_that_no_row_fills() -> None:
    assert padding([10, 10]) == 0
    assert padding([5, 10]) == pytest.approx(0.25)


def test_draws_are_real_passages_the_same_each_time() -> None:
    lists = draw(4, 2, 6)
    assert lists == draw(4, 2, 6)
    assert all(2 <= len(one.passages) <= 6 for one in lists)
    assert all(len({p.id for p in one.passages}) == len(one.passages) for one in lists)
    [long] = draw(1, 6, 6, least_characters=300)
    assert all(len(passage.text) >= 300 for passage in long.passages)


def test_too_few_passages_are_told() -> None:
    with pytest.raises(DataError, match="characters"):
        draw(1, 2, 6, least_characters=1_000_000)


def test_the_plain_model_and_the_engine_give_the_same_logits(runners: Contestants) -> None:
    prompts = runners.prompts(draw(5, 2, 6), 48)
    assert len({len(prompt) for prompt in prompts}) > 1
    for packed, padded in zip(
        runners.engine.score(prompts), runners.plain.score(prompts), strict=True
    ):
        found, expected = torch.tensor(packed), torch.tensor(padded)
        # The tiny model's logits are small: they must agree far below their own spread.
        assert expected.std() > 1e-3
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_generation_gives_exactly_the_tokens_of_a_permutation(runners: Contestants) -> None:
    [prompt] = runners.prompts(draw(1, 3, 3), 24)
    assert runners.permutation_tokens(prompt) == len(
        runners.encoder.tokenizer.encode("A] > [B] > [C]")
    )
    row = runners.plain.tensor(prompt.token_ids)
    assert runners.plain.generate(row, 9).shape == (1, len(prompt) + 9)


def test_the_first_generated_token_is_the_likeliest_of_the_forward(runners: Contestants) -> None:
    [prompt] = runners.prompts(draw(1, 3, 3), 24)
    row = runners.plain.tensor(prompt.token_ids)
    likeliest = runners.plain.forward(row)[0, -1].clone()
    # Greedy generation never ends at its first token here: the least length forbids it.
    likeliest[runners.encoder.tokenizer.eos_token_id] = -torch.inf
    assert runners.plain.generate(row, 1)[0, -1] == likeliest.argmax()


def test_a_race_is_held_without_limits_on_small_sizes(runners: Contestants) -> None:
    shares: list[float] = []
    found = hold(overhead, runners, QUICK, 2, shares.append)
    assert shares == [0.5, 0.5]
    assert found.times.ratio > 0
    assert found.limit is None
    assert found.device == "cpu"
    assert found.facts["windows"] == 1


def test_a_fine_race_has_more_rounds_at_full_size(runners: Contestants) -> None:
    found = hold(overhead, runners, replace(QUICK, limited=True), 1)
    assert len(found.times.first) == 3
    assert found.limit == Limit(1.05, at_most=True)


def test_the_races_require_what_the_design_rests_on(runners: Contestants) -> None:
    assert overhead(runners, QUICK).limit == Limit(1.05, at_most=True)
    assert permutation(runners, QUICK).limit == Limit(2.5)
    assert mixed_windows(runners, QUICK).limit == Limit(1.3)
    assert first_token(runners, QUICK).limit is None


def test_a_full_window_reaches_its_cut(runners: Contestants) -> None:
    found = overhead(runners, QUICK).facts
    assert found["windows"] == 1
    assert int(str(found["tokens"])) >= QUICK.window * QUICK.window_tokens


def test_lockstep_ranks_as_one_query_after_another_does(runners: Contestants) -> None:
    found = long_lockstep(runners, QUICK).facts
    assert found["same order"] == f"{QUICK.batch} of {QUICK.batch}"
    assert int(str(found["windows"])) > QUICK.batch


def test_different_logits_are_no_race(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runners = contestants(tiny, QUICK, device="cpu")
    score = runners.plain.score
    monkeypatch.setattr(
        runners.plain,
        "score",
        lambda prompts: [tuple(x + 1 for x in row) for row in score(prompts)],
    )
    with pytest.raises(EngineError, match="differ"):
        mixed_windows(runners, QUICK)


def test_markdown_tells_command_machine_and_results() -> None:
    text = markdown(report(result((2.0, 3.0, 4.0), Limit(2.5)), result((1.0,), None)))
    assert "python -m benchmarks.speed" in text
    assert "2 threads" in text
    assert (
        "| a \\| race | cpu | 3.000 | [2.500, 3.500] | [2.000, 4.000] | ≥ 2.5 | met | 3 / 1 |"
        in text
    )
    assert "slow / fast; rounds 3, tokens 7, share 0.25" in text
    assert "quick run" not in text
    assert "quick run" in markdown(report(result((1.0,), None), quick=True))


def test_the_plot_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "speed.png"
    plot(report(result((2.0, 3.0), Limit(2.5)), result((0.8, 1.1), None)), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(path.parent.iterdir()) == [path]


def test_the_command_writes_its_results(tiny: str, tmp_path: Path) -> None:
    told = CliRunner().invoke(
        app, ["--model", tiny, "--output", str(tmp_path), "--quick", "--rounds", "1",
              "--device", "cpu"], catch_exceptions=False,
    )  # fmt: skip
    assert told.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "speed.json", "speed.png"}
    found = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    assert len(found["results"]) == len(RACES)
    for one in found["results"]:
        assert len(one["ratios"]) == 1
        assert one["ratio"] == one["ratios"][0] > 0
        assert one["facts"]["tokens"] > 0
    assert found["processor"]
    assert found["threads"] >= 1


def test_full_sizes_are_those_of_the_design() -> None:
    assert (FULL.window, FULL.window_tokens, FULL.batch, FULL.mixed) == (20, 64, 8, 5)
    assert FULL.limited
    assert not QUICK.limited
