import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.experiment import Plan, RunFile, conduct, sampled
from benchmarks.metrics import MRR, NDCG
from benchmarks.published import check
from benchmarks.quality import (
    kept_as,
    main,
    parse_run,
    parse_settings,
    parse_variants,
    write,
)
from benchmarks.report import Report
from benchmarks.reranking import MeasuredReranker
from benchmarks.tables import markdown, p_value, table
from reranker.bm25 import BM25
from reranker.collection import Collection
from reranker.errors import DataError, InputError, SettingsError
from reranker.run import Run, read_trec, write_trec
from tests.benchmarks.conftest import FakeRanker, PlaceRanker

pytest.importorskip("ranx")
RANKING = [("1", 4.0), ("2", 3.0), ("3", 2.0), ("4", 1.0)]


@pytest.fixture
def report(tmp_path: Path, numbers: Collection, monkeypatch: pytest.MonkeyPatch) -> Report:
    """One experiment: a run file as first stage, another's run, and two fake rerankers."""
    monkeypatch.setattr("benchmarks.experiment.load", lambda name, split: numbers)
    first, other = tmp_path / "first.trec.gz", tmp_path / "other.trec"
    write_trec(Run("tag", dict.fromkeys(numbers.queries, RANKING)), first)
    write_trec(Run("tag", {"q1": [("4", 2.0), ("elsewhere", 1.0)]}), other)
    plan = Plan(tmp_path / "results", orders=True, work=tmp_path / "work", relevant_from=2, batch=2)
    rerankers = [
        MeasuredReranker("by number", {"window": 5}, FakeRanker()),
        MeasuredReranker("by | place", {}, PlaceRanker()),
    ]
    experiment = conduct(plan, "numbers", str(first), [RunFile("theirs", other)], rerankers)
    return Report("demo", "python -m benchmarks.quality demo", [experiment])


def test_every_run_is_evaluated_and_compared(report: Report) -> None:
    [experiment] = report.experiments
    assert [row.label for row in experiment.rows] == ["first", "theirs", "by number", "by | place"]
    found = {row.label: row.per_query for row in experiment.rows}
    assert found["theirs"][NDCG] == pytest.approx({"q1": 1, "q2": 0, "q3": 0})
    assert found["by number"][NDCG]["q1"] == 1
    assert found["by number"][MRR] == pytest.approx({"q1": 0, "q2": 1 / 2, "q3": 0})
    assert found["by | place"] == found["first"]
    assert len(experiment.comparisons) == 6


def test_order_sensitivity_tells_the_sensitive_from_the_stable(report: Report) -> None:
    _, _, stable, sensitive = report.experiments[0].rows
    assert stable.orders is not None
    assert sensitive.orders is not None
    assert (stable.orders.tau, stable.orders.spread) == (1, 0)
    assert sensitive.orders.tau < 1
    assert sensitive.orders.spread > 0


def test_only_the_runs_made_here_are_kept(report: Report, tmp_path: Path) -> None:
    kept = sorted(path.name for path in (tmp_path / "results" / "runs").iterdir())
    assert kept == [
        "numbers.first.by-number.trec.gz",
        "numbers.first.by-|-place.trec.gz",
    ]
    run = read_trec(tmp_path / "results" / "runs" / kept[0])
    assert run.ids("q1") == ["4", "3", "2", "1"]


def test_the_files_hold_every_figure_and_where_it_came_from(report: Report, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write(report, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for expected in (
        "python -m benchmarks.quality demo",
        "3 queries",
        "grades of 2 and more",
        "by \\| place",
        "- by number: window 5, batch 2",
        "Kendall τ",
        "ranx 0.",
    ):
        assert expected in text
    values = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert values["experiments"][0]["rows"][2]["cost"]["tokens"] == 40
    plots = {path.name for path in (tmp_path / "out" / "plots").iterdir()}
    assert plots == {
        f"{stem}.{kind}" for stem in ("ndcg", "gains-1-numbers") for kind in ("png", "svg")
    }


def test_plots_are_the_same_bytes_each_time(report: Report, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("one", "two"):
        write(report, tmp_path / name)
    for path in (tmp_path / "one" / "plots").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "plots" / path.name).read_bytes()


def test_a_run_of_another_collection_is_refused(
    tmp_path: Path, numbers: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.experiment.load", lambda name, split: numbers)
    path = tmp_path / "x.trec"
    write_trec(Run("tag", {"other": RANKING}), path)
    with pytest.raises(DataError, match="COLLECTION:LABEL=PATH"):
        conduct(Plan(tmp_path), "numbers", "bm25", [RunFile("x", path)], [])


def test_first_stages_are_joined_and_kept(
    tmp_path: Path, numbers: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.experiment.load", lambda name, split: numbers)
    path = tmp_path / "x.trec.gz"
    write_trec(Run("tag", {query: [("1", 1.0)] for query in numbers.queries}), path)
    experiment = conduct(Plan(tmp_path), "numbers", f"sqlite+{path}", [], [])
    assert experiment.first_stage == "sqlite+x"
    run = read_trec(tmp_path / "runs" / "numbers.sqlite+x.trec.gz")
    assert all("1" in run.ids(query) for query in numbers.queries)


def test_a_sample_is_judged_and_the_same_each_time(numbers: Collection) -> None:
    small = sampled(numbers, 2)
    assert len(small.queries) == 2
    assert small.queries.keys() == small.qrels.keys()
    assert sampled(numbers, 2) == small
    assert sampled(numbers, 99) == numbers
    with pytest.raises(DataError, match="no judged query"):
        sampled(Collection("x", {}, {"q": "text"}), None)


def test_runs_and_settings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a=b.trec"
    path.touch()
    assert parse_run(f"mine={path}", ["nf"]) == RunFile("mine", path)
    assert parse_run(f"nf:mine={path}", ["nf", "wiki"]) == RunFile("mine", path, "nf")
    assert parse_settings(["window=10", "layout=set"]) == {"window": 10, "layout": "set"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "is not"),
        ("={path}", "is not"),
        ("x=nowhere", "no file 'nowhere'"),
        ("dl:x={path}", "'dl' is not among"),
        ("x={path}", "say COLLECTION:LABEL=PATH"),
    ],
)
def test_runs_of_another_form_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.trec"
    path.touch()
    with pytest.raises(InputError, match=message):
        parse_run(text.format(path=path), ["nf", "wiki"])


def test_settings_of_another_form_are_refused() -> None:
    for text in ("window", "colour=red"):
        with pytest.raises(InputError, match="NAME=VALUE with NAME among layout"):
            parse_settings([text])


def test_an_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["quality", "x", "--collection", "none-such"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("error: no collection 'none-such'")


def test_an_interruption_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.quality.conduct", interrupted)
    monkeypatch.setattr(sys, "argv", ["quality", "x", "--collection", "any"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130
    assert "goes on from here" in capsys.readouterr().err


def test_small_p_values_are_bounds_and_cells_are_escaped() -> None:
    assert (p_value(0.0004), p_value(0.0416)) == ("<0.001", "0.042")
    assert table(["a"], [["x|y\nz"]]) == "| a |\n| --- |\n| x\\|y z |"
    assert markdown(Report("none", "command", [])).startswith("# Quality: none")


def test_the_models_of_this_project_are_measured(
    tmp_path: Path, numbers: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.models import measured_rerankers
    from tests.tiny import save_tiny

    monkeypatch.setattr("benchmarks.experiment.load", lambda name, split: numbers)
    first = tmp_path / "first.trec"
    write_trec(Run("tag", dict.fromkeys(numbers.queries, RANKING)), first)
    folder = str(save_tiny(tmp_path / "tiny"))
    settings = {"window": 3, "stride": 1, "layout": "suffix"}
    rerankers = measured_rerankers([folder], ["sliding", "full"], settings, device="cpu")
    experiment = conduct(Plan(tmp_path, work=tmp_path), "numbers", str(first), [], rerankers)
    _, sliding, full = experiment.rows
    assert (sliding.label, full.label) == ("tiny sliding", "tiny full")
    assert sliding.cost is not None
    assert full.cost is not None
    assert (sliding.cost.windows, full.cost.windows) == (2, 1)
    other = measured_rerankers([str(save_tiny(tmp_path / "two", seed=1))], [], settings)
    assert other[0].settings["weights"] != full.settings["weights"]


def test_variants_share_a_loaded_model(tmp_path: Path) -> None:
    from benchmarks.models import measured_rerankers
    from reranker import Reranker
    from tests.tiny import save_tiny

    folder = str(save_tiny(tmp_path / "tiny"))
    variants = parse_variants(["window=3  stride=1", "strategy=full"], [])
    found = measured_rerankers([folder], [], {"layout": "suffix"}, variants=variants)
    assert [one.label for one in found] == ["tiny window=3 stride=1", "tiny strategy=full"]
    assert (found[0].settings["window"], found[1].settings["strategy"]) == (3, "full")
    assert all(one.settings["layout"] == "suffix" for one in found)
    first, second = (one.ranker for one in found)
    assert isinstance(first, Reranker)
    assert isinstance(second, Reranker)
    assert first.engine is second.engine


def test_variants_leave_no_room_for_strategies() -> None:
    with pytest.raises(InputError, match="strategy=…"):
        parse_variants(["window=3"], ["full"])
    with pytest.raises(InputError, match="windows=3"):
        parse_variants(["windows=3"], [])


def test_passages_are_kept_where_the_layout_allows_it(
    tmp_path: Path, numbers: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.models import measured_rerankers
    from tests.tiny import save_tiny

    monkeypatch.setattr("benchmarks.experiment.load", lambda name, split: numbers)
    first = tmp_path / "first.trec"
    write_trec(Run("tag", dict.fromkeys(numbers.queries, RANKING)), first)
    folder = str(save_tiny(tmp_path / "tiny"))
    settings = {"layout": "blocks", "strategy": "full"}
    kept = measured_rerankers([folder], [], settings, memory=2**20, stored=["float32", "int8"])
    rerankers = [*kept, *measured_rerankers([folder], [], settings)]
    experiment = conduct(Plan(tmp_path, work=tmp_path / "w"), "numbers", str(first), [], rerankers)
    assert [row.label for row in experiment.rows[1:]] == ["tiny float32", "tiny int8", "tiny"]
    assert [row.settings.get("stored") for row in experiment.rows[1:]] == ["float32", "int8", None]
    exact, _, none = (read_trec(path) for path in _runs(tmp_path))
    assert exact.rankings.keys() == none.rankings.keys()
    assert all(exact.ids(query) == none.ids(query) for query in exact.rankings)
    # Scores of another type are other scores: each has a file of its own.
    assert len(list((tmp_path / "w").iterdir())) == 3
    with pytest.raises(SettingsError, match="layout='blocks'"):
        measured_rerankers([folder], [], {"layout": "set"}, memory=2**20, stored=["int8"])


def _runs(folder: Path) -> list[Path]:
    return [
        folder / "runs" / f"numbers.first.tiny{ending}.trec.gz"
        for ending in ("-float32", "-int8", "")
    ]


def test_what_is_kept_needs_memory() -> None:
    assert kept_as(None, []) == []
    assert kept_as(2.0, []) == ["float16"]
    assert kept_as(0.0, ["int8", "float32"]) == ["int8", "float32"]
    with pytest.raises(InputError, match="--cache GIB"):
        kept_as(None, ["int8"])


def test_published_figures_come_out_again(shared: Path) -> None:
    assert [round(found, 4) for _, found in check(shared / "runs")] == [
        0.5058, 0.4458, 0.7255, 0.6682,
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "ndcg"), [("nfcorpus", 0.318), ("cranfield", 0.480)])
def test_bm25_has_its_known_quality(shared: Path, name: str, ndcg: float) -> None:
    from benchmarks.metrics import evaluate
    from reranker.collection import read_beir

    collection = read_beir(shared / "collections" / name)
    run = BM25(collection.passages).search(collection.queries)
    values = evaluate(run, collection.qrels)[NDCG]
    assert sum(values.values()) / len(values) == pytest.approx(ndcg, abs=0.001)


def test_importing_the_room_compiles_nothing() -> None:
    code = "import sys, benchmarks.quality; print({'ranx', 'torch'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "set()"
