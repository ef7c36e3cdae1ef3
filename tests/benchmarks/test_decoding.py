import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.decoding import __main__ as decoding
from benchmarks.decoding import shapes
from benchmarks.decoding.contest import METHODS, Windowed, conduct, prepare
from benchmarks.decoding.generation import Tally
from benchmarks.decoding.ledger import Decoded, Ledger
from benchmarks.decoding.meter import Effort, Meter, gpu_joules
from benchmarks.decoding.report import DecodingReport, markdown
from benchmarks.decoding.shapes import Shape, random_checkpoint
from benchmarks.decoding.spending import Spending
from benchmarks.experiment import Plan
from benchmarks.metrics import NDCG
from benchmarks.report import Cost, Experiment, row
from benchmarks.statistics import compare
from benchmarks.work import Outcome
from reranker.checkpoint import load
from reranker.collection import Collection
from reranker.errors import DataError, InputError, SettingsError
from reranker.run import Run, write_trec
from tests.tiny import save_tiny

pytest.importorskip("ranx")
RANKING = [("1", 4.0), ("2", 3.0), ("3", 2.0), ("4", 1.0)]
TINY = Shape(
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=1024,
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def first(tmp_path: Path, numbers: Collection, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of the candidates, beside a collection of four passages and three queries."""
    monkeypatch.setattr("benchmarks.decoding.contest.load", lambda name, split: numbers)
    path = tmp_path / "first.trec.gz"
    write_trec(Run("bm25", dict.fromkeys(numbers.queries, RANKING)), path)
    return str(path)


def done(seconds: float, tally: Tally, joules: float | None = None) -> Decoded:
    outcome = Outcome(("1", "2"), (2.0, 1.0), seconds, 1, 100)
    return Decoded(outcome, Effort(seconds, 2 * seconds, joules), tally)


def test_the_ways_are_measured_over_the_same_windows(tiny: str, first: str, tmp_path: Path) -> None:
    contest = prepare(load(tiny), [2, 4], {"layout": "suffix"})
    found = conduct(Plan(tmp_path, work=tmp_path / "work"), "numbers", first, contest)
    assert [one.window for one in found] == [2, 4]
    for one, windows in zip(found, (3, 1), strict=True):
        stage, *rows = one.experiment.rows
        assert [r.label for r in rows] == list(METHODS) == list(one.spending)
        assert stage.label == "bm25"
        assert {r.cost.windows for r in rows if r.cost} == {windows}
        assert len({r.cost.tokens for r in rows if r.cost}) == 1 or windows > 1
        assert len(one.experiment.comparisons) == 6
    passes = {method: one.passes for method, one in found[1].spending.items()}
    written = {method: one.written for method, one in found[1].spending.items()}
    # Four identifiers, three times `] > [` and an end: all tokens with a pass each, or forced.
    assert passes == {"first token": 1, "greedy": written["greedy"], "constrained": 3}
    assert written["first token"] == 0 < written["greedy"] == written["constrained"]
    assert found[1].spending["first token"].malformed is None
    assert found[1].spending["constrained"].malformed == 0
    assert found[1].spending["constrained"].named == 1


def test_a_finished_ranking_is_not_ranked_again(
    tiny: str, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(tmp_path, work=tmp_path / "work")
    contest = prepare(load(tiny), [2], {"layout": "suffix"})
    before = conduct(plan, "numbers", first, contest)
    [path] = plan.work.iterdir()
    lines = [line for line in path.read_text().splitlines() if line]
    assert len(lines) == 3 * 3
    path.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:30])
    ranked: list[str] = []
    original = contest.entrants[2].rank

    def counted(query: str, passages: object) -> object:
        ranked.append(query)
        return original(query, passages)  # type: ignore[arg-type]

    counting = [*contest.entrants[:2], replace(contest.entrants[2], rank=counted)]
    again = conduct(plan, "numbers", first, replace(contest, entrants=counting))
    # One to warm up, and the one whose line was cut short.
    assert ranked == ["text of q1", "text of q3"]
    assert [r.per_query for r in again[0].experiment.rows] == [
        r.per_query for r in before[0].experiment.rows
    ]
    assert again[0].spending["greedy"] == before[0].spending["greedy"]


def test_fresh_forgets(tiny: str, first: str, tmp_path: Path) -> None:
    plan = Plan(tmp_path, work=tmp_path / "work")
    contest = prepare(load(tiny), [2], {"layout": "suffix"})
    conduct(plan, "numbers", first, contest)
    [path] = plan.work.iterdir()
    path.write_text('{"key": "old", "outcome": {}}')
    with pytest.raises(DataError, match="another version"):
        conduct(plan, "numbers", first, contest)
    conduct(replace(plan, fresh=True), "numbers", first, contest)
    assert "old" not in path.read_text()


def test_a_first_token_alone_and_the_first_of_one_window_agree(
    tiny: str, first: str, tmp_path: Path
) -> None:
    contest = prepare(load(tiny), [4], {"layout": "listwise"})
    [one] = conduct(Plan(tmp_path, work=tmp_path / "work"), "numbers", first, contest)
    ledger = Ledger(next((tmp_path / "work").iterdir()))
    keys = [key for key in ledger._done if key.startswith("first token 4")]
    assert len(keys) == one.experiment.queries
    for key in keys:
        other = key.replace("first token", "constrained", 1)
        assert ledger[key].outcome.ids[0] == ledger[other].outcome.ids[0]


def test_spending_is_by_query_and_beside_the_first_token() -> None:
    first = [done(1.0, Tally(passes=3)), done(2.0, Tally(passes=5))]
    tally = Tally(answers=2, passages=10, named=4, tokens=38, passes=38, malformed=1)
    slow = [done(4.0, tally, 7.0), done(4.0, tally, 9.0)]
    spent = Spending.of(slow, first)
    assert (spent.seconds.mean, spent.cpu_seconds.mean) == (4, 8)
    assert spent.times_first.mean == (4 / 1 + 4 / 2) / 2
    assert spent.joules is not None
    assert spent.joules.mean == 8
    assert (spent.passes, spent.written, spent.malformed, spent.named) == (38, 38, 0.5, 0.4)
    assert Spending.of(first, first).joules is None
    assert Spending.of(first, first).malformed is None


def test_a_ledger_keeps_what_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "work" / "x.jsonl"
    one, two = done(1.0, Tally(1, 2, 3, 4, 5, 6)), done(2.0, Tally(), 3.5)
    ledger = Ledger(path)
    ledger.add("a", one)
    path.write_text(path.read_text() + '{"key": "cut sho')
    Ledger(path).add("b", two)
    again = Ledger(path)
    assert (again["a"], again["b"]) == (one, two)
    assert "cut sho" not in again


def test_time_and_energy_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(torch.device("cpu"))
    found, effort = meter.measure(lambda: sum(range(200_000)))
    assert found == sum(range(200_000))
    assert effort.seconds > 0
    assert effort.cpu_seconds > 0
    assert effort.joules is None
    used = iter([0, 1_500, 4_000])  # one to see whether it is told, then around the work

    class NVMLError(Exception):
        pass

    nvml = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(used),
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    properties = SimpleNamespace(uuid="1234")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    _, effort = Meter(torch.device("cuda")).measure(lambda: None)
    assert effort.joules == pytest.approx(2.5)


def test_a_gpu_that_tells_nothing_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class NVMLError(Exception):
        pass

    def refuse() -> None:
        raise NVMLError

    monkeypatch.setitem(
        sys.modules, "pynvml", SimpleNamespace(NVMLError=NVMLError, nvmlInit=refuse)
    )
    assert gpu_joules(torch.device("cuda")) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_joules(torch.device("cuda")) is None


def test_a_shape_has_random_weights_the_same_each_time(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shapes.SHAPES, "tiny", TINY)
    monkeypatch.setattr(shapes, "embedded_folder", lambda: Path(tiny))
    state = torch.random.get_rng_state()
    one, two = (random_checkpoint("tiny", device="cpu", dtype="bfloat16") for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert one.model.dtype == torch.bfloat16
    weight = one.model.get_output_embeddings().weight
    assert torch.equal(weight, two.model.get_output_embeddings().weight)
    assert weight.shape == (len(one.tokenizer), 16)
    assert "random weights" in one.name
    assert shapes.SHAPES["7b"].hidden_size == 4096
    with pytest.raises(InputError, match="no shape '8b'"):
        random_checkpoint("8b")


def run(*arguments: str) -> None:
    told = CliRunner().invoke(decoding.app, list(arguments), catch_exceptions=False)
    assert told.exit_code == 0, told.output


def test_the_command_writes_its_results(
    tiny: str, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(shapes.SHAPES, "tiny", TINY)
    monkeypatch.setattr(shapes, "embedded_folder", lambda: Path(tiny))
    monkeypatch.setattr(decoding, "RESULTS", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    run("out", "--collection", "numbers", "--first-stage", first, "--windows", "2", "--windows",
        "4", "--shape", "tiny", "--device", "cpu", "--setting", "layout=suffix")  # fmt: skip
    folder = tmp_path / "results" / "out"
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "results.json",
        "numbers.svg",
    }
    values = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert values["command"].startswith("python -m benchmarks.decoding")
    assert values["settings"]["layout"] == "suffix"
    assert [one["window"] for one in values["experiments"]] == [2, 4]
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "weights are random" in text
    assert "No joules" in text
    assert "3 queries, bm25 top 40" in text or "3 queries, first top 40" in text
    assert text.count("| constrained |") == 2


def test_a_model_or_a_shape(tiny: str) -> None:
    with pytest.raises(InputError, match="give one of them"):
        decoding.opened(tiny, "7b")
    assert decoding.opened(tiny, None).name == tiny


def test_settings_name_no_path_and_no_template(tiny: str) -> None:
    template = "method: listwise\nprefix: '{num} for {query}'\nbody: '[{rank}] {candidate}'\n"
    contest = prepare(load(tiny), [4], {"template": template + "suffix: 'Rank {num}: {query}'\n"})
    assert contest.settings["model"] == Path(tiny).name
    assert len(str(contest.settings["template"])) == 12
    assert contest.windows == [4]


def test_a_layout_that_cannot_generate_is_refused(tiny: str) -> None:
    with pytest.raises(SettingsError, match="layout 'cross'"):
        prepare(load(tiny), [4], {"layout": "cross", "likelihood": 1})


def test_markdown_tells_joules_where_there_are_any(numbers: Collection) -> None:
    runs = [Run(name, dict.fromkeys(numbers.queries, RANKING)) for name in ("bm25", *METHODS)]
    rows = [row(one, numbers, 1, {}) for one in runs]
    rows[1:] = [replace(r, cost=Cost(3, 1234.5, 2.0)) for r in rows[1:]]
    tally = Tally(answers=1, passages=4, named=2, tokens=19, passes=19, malformed=1)
    first = [done(1.0, Tally(passes=1), 5.0)] * 3
    spending = {name: Spending.of([done(3.0, tally, 12.5)] * 3, first) for name in METHODS}
    scores = {r.label: list(r.per_query[NDCG].values()) for r in rows}
    experiment = Experiment("numbers", "test", "bm25", 4, 3, 1, rows, compare(scores))
    report = DecodingReport("x", "cmd", {"model": "tiny"}, [Windowed(4, experiment, spending)])
    text = markdown(report.to_dict())
    assert "| joules |" in text
    assert "12.5 [12.5, 12.5]" in text
    assert "| 4 | greedy |" in text
    assert "| 1,234.5 | 19.0 | 19.0 | 100% | 50% |" in text
    assert "weights are random" not in text
    assert "Nobody trained" not in text
    assert "Nobody trained" in markdown(replace(report, settings={"model": "embedded"}).to_dict())
