import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.serve.__main__ import Plan, app, measure, write
from benchmarks.serve.check import checks
from benchmarks.serve.figures import Overhead, Overload, Trial, ends_of, quantiles, ratios
from benchmarks.serve.load import Answer, End
from benchmarks.serve.load_mix import LONG, SHORT, Ask
from benchmarks.serve.report import ServeReport, markdown
from benchmarks.serve.servers import running
from reranker.errors import InputError, RerankerError
from tests.tiny import save_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("tiny")))


def answer(
    seconds: float = 1.0,
    *,
    end: End = End.ANSWERED,
    status: int = 200,
    kind: str = SHORT,
    due: float = 0.0,
    tokens: int = 100,
) -> Answer:
    return Answer(Ask(kind, "secret query", ("secret text",), tokens), end, status, due, seconds)


REFUSED = answer(0.0, end=End.REFUSED, status=429)
LATE = answer(2.0, end=End.REFUSED, status=504)
LEFT = answer(2.0, end=End.LEFT, status=0)


def trial(*answers: Answer, server: str = "ray", load: float | None = 1.5) -> Trial:
    return Trial(server, load, answers, patience=2.0, span=4.0, recovered=0.5)


def report(**parts: object) -> ServeReport:
    closed = trial(answer(due=0.0), answer(due=3.0), server="plain", load=None)
    found = ServeReport(
        name="tiny",
        command="python -m benchmarks.serve tiny",
        model="tiny",
        servers=("plain", "ray"),
        overheads=[],
        closed=[closed, replace(closed, server="ray")],
        opened=[],
        overloads=[],
        settings={"window": 20},
        threads=1,
        load_average=0.5,
    )
    return replace(found, **parts)  # type: ignore[arg-type]


def test_throughput_is_of_what_was_ranked_in_time() -> None:
    found = trial(answer(), answer(1.5, due=3.5, tokens=50), answer(2.5), REFUSED, LEFT)
    # Two in time; the last of them ends after 5 s, later than the span.
    assert found.throughput == pytest.approx(2 / 5)
    assert found.token_throughput == pytest.approx(150 / 5)
    assert found.ends == {End.ANSWERED: 2, End.REFUSED: 1, End.LEFT: 2}
    assert trial(REFUSED).throughput == trial().throughput == 0.0
    assert ends_of([found, found])[End.ANSWERED] == 4


def test_who_was_answered_too_late_or_never_waited_for_ever() -> None:
    found = trial(answer(), answer(2.5), REFUSED, LATE, LEFT, answer(kind=LONG))
    assert found.latencies(SHORT) == [1.0, math.inf, math.inf, math.inf]
    assert found.latencies(LONG) == [1.0]


def test_percentiles_are_nearest_ranks() -> None:
    assert quantiles([float(n) for n in range(1, 101)]) == (50.0, 95.0, 99.0)
    assert quantiles([1.0, math.inf]) == (1.0, math.inf, math.inf)
    assert all(map(math.isnan, quantiles([])))


def test_overhead_is_the_median_of_the_pairs() -> None:
    found = Overhead("ray", (1.3, 5.0, 1.1), (1.0, 4.9, 1.0), (1.0, 2.0, 1.0), (0.9, 1.95, 0.9))
    assert found.difference == pytest.approx(0.3)
    # 0.3 - 0.1, 0.1 - 0.05, 0.1 - 0.1.
    assert found.beside == pytest.approx(0.05)


def test_ratios_are_of_trials_beside_each_other() -> None:
    one, two = trial(answer()), trial(answer(), answer())
    assert ratios([two, one], [one, two]) == (2.0, 0.5)
    assert ratios([one], [trial(LEFT)]) == (math.inf,)


def test_the_report_compares_with_one_request_at_a_time() -> None:
    plain = trial(answer(1.9), LEFT, LEFT, server="plain")
    text = markdown(report(opened=[plain, trial(answer(), answer(), REFUSED)]))
    assert "## 1.5 times what one request at a time can read" in text
    assert "| plain | 0.750 | 0.250 | 1.00 | - | - | inf / inf / inf |" in text
    assert "| 1 answered, 2 left | 0.50 |" in text
    assert "| ray | 0.750 | 0.500 | 2.00 | ≥ 1.3, p95 of short no worse | met |" in text
    slow = trial(answer(), answer(), LEFT)
    fast = trial(answer(), server="plain")
    assert "| missed |" in markdown(report(opened=[fast, slow]))


def test_the_report_says_what_an_overload_did() -> None:
    found = Overload(
        trial(answer(), REFUSED, LATE, load=4.0),
        closed=trial(answer(), answer(), load=None),
        memory=(2**20, 3 * 2**20, 2 * 2**20),
        before=(0.1,),
        after=(0.3, 0.2),
        later=(0.1, 0.1),
    )
    assert (found.kept, found.tokens_kept) == (0.5, 0.5)
    assert found.growth == 3.0
    text = markdown(report(overloads=[found]))
    assert "| 1 of 200, 1 of 429, 1 of 504 | a result or a refusal in JSON | met |" in text
    assert "| answers/s in time over capacity | 0.50 | ≥ 0.9 | missed |" in text
    assert "| 1, 3, 2 |" in text
    lost = replace(found, trial=trial(answer(), LEFT))
    assert "1 of 0, 1 of 200 | a result or a refusal in JSON | missed" in markdown(
        report(overloads=[lost])
    )


def test_the_report_checks_the_sizing_model() -> None:
    # 100 tokens take 2 s in closed loop: 50 tokens a second.
    closed = [Trial("plain", None, (answer(2.0), answer(2.0, due=2.0)), patience=9.0)]
    stable = Trial("plain", 0.5, (answer(3.0), answer(2.0, due=4.0)), patience=9.0, span=8.0)
    busy, answers, seconds = checks(closed, [stable])
    assert busy == ["share of time busy at 0.5", "0.50", "-"]
    assert answers == ["answers/s at 0.5", "0.250", "plain 0.250"]
    # 2 s of its own and, all being alike, half of 2 s in the queue.
    assert seconds == ["mean seconds of a short request at 0.5", "3.00", "plain 2.50"]
    full = [replace(stable, load=2.0, span=2.0, server=name) for name in ("plain", "ray")]
    _, answers, seconds = checks(closed, full)
    assert answers == ["answers/s at 2", "0.500", "plain 0.333, ray 0.333"]
    assert seconds[1] == "inf"
    assert checks([], full) == checks(closed, []) == []


def test_plain_values_hold_no_text() -> None:
    text = json.dumps(report(opened=[trial(answer())]).to_dict())
    assert "secret" not in text
    assert '"tokens": 100' in text


def test_a_server_that_is_none() -> None:
    with (
        pytest.raises(InputError, match="no server fancy; known are plain"),
        running(["plain", "fancy"], {}, threads=1),
    ):
        pass


def test_a_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(RerankerError, match=r"did not start; it wrote: .*no file or folder"),
        running(["plain"], {"model": "/nowhere/at/all"}, threads=1),
    ):
        pass


def test_an_overload_is_answered_or_refused_in_json_and_leaves_nothing_behind(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.serve.trial._AFTER_SECONDS", 0.5)
    plan = Plan(
        servers=("queue",),
        loads=(0.5,),
        seconds=1.0,
        patience=10.0,
        requests=6,
        clients=3,
        pairs=2,
        overload=4.0,
        overload_seconds=3.0,
        long_share=0.5,
    )
    overrides = {"layout": "suffix", "passage_tokens": 32}
    options = {"model": tiny, "overrides": overrides, "limits": {"max_queued_s": 0.2}}
    found = measure("tiny", plan, options)
    [overload] = found.overloads
    ends = overload.trial.ends
    assert ends[End.ANSWERED] > 0
    assert set(ends) <= {End.ANSWERED, End.REFUSED, End.UNSENT}
    # What an allocator keeps apart, it holds no more than before.
    assert overload.growth < 1.5
    assert len(overload.after) == len(overload.later) == 3
    assert {each.server for each in found.opened} == {"queue"}
    assert all(each.ends[End.ANSWERED] == len(each.answers) for each in found.closed)
    [overhead] = found.overheads
    assert all(map(float.__gt__, overhead.seconds, overhead.passes))
    write(found, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "serve.json", "serve.png"}


def test_the_command_asks_for_a_name() -> None:
    assert CliRunner().invoke(app, []).exit_code == 2
