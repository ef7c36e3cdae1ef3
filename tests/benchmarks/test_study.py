import json
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.ablation.__main__ import write as write_ablation
from benchmarks.ablation.report import Ablation
from benchmarks.experiment import Plan, conduct
from benchmarks.quality import write
from benchmarks.report import Report
from benchmarks.reranking import MeasuredReranker
from benchmarks.study import __main__ as study
from benchmarks.study import default, failures, plots, tables
from reranker.collection import Collection
from reranker.errors import DataError, InputError
from reranker.run import Run, write_trec
from tests.benchmarks.conftest import FakeRanker, PlaceRanker
from training.recipe import Recipe

pytest.importorskip("ranx")
RANKING = [("1", 4.0), ("2", 3.0), ("3", 2.0), ("4", 1.0)]


def test_other_results_are_drawn_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    ways = Ablation("a", "", {"x": {0: {"d": [0.5]}}, "y": {0: {"d": [0.7]}}}, {"d": [0.1]})
    write_ablation(replace(ways, recipe=Recipe.parse("data: [{path: r}]").text()), tmp_path / "abl")
    assert "1 queries, seeds 0." in tables.ablation("d", "abl")
    assert "| +0.2000 |" in tables.ablation("d", "abl")
    gap = {"mean": 0.25, "low": 0.1, "high": 0.4}
    change = {
        "collection": "c", "passages": 9, "queries": 2, "measure": "Recall@100", "run": "feedback",
        "before": 0.5, "after": 0.75, "difference": gap, "better": 1, "worse": 0,
        "p_value": 0.5, "adjusted": 0.5,
    }  # fmt: skip
    (tmp_path / "fed").mkdir()
    (tmp_path / "fed" / "results.json").write_text(json.dumps({"changes": [change]}))
    row = tables.recall("fed", "Recall@100").splitlines()[2]
    assert row.startswith("| c | 9 | 2 | 0.500 | 0.750 | +0.250 [+0.100, +0.400] | 1 / 0 |")


@pytest.fixture
def results(tmp_path: Path, numbers: Collection, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results of one experiment, where the study looks for them."""
    monkeypatch.setattr("benchmarks.experiment.load", lambda name, split: numbers)
    for module in (study, tables, plots, failures):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    first = tmp_path / "first.trec"
    write_trec(Run("tag", dict.fromkeys(numbers.queries, RANKING)), first)
    plan = Plan(tmp_path / "demo", orders=True, work=tmp_path / "work")
    rerankers = [
        MeasuredReranker("model window=5", {"window": 5}, FakeRanker()),
        MeasuredReranker("model strategy=full", {}, PlaceRanker()),
    ]
    found = conduct(plan, "numbers", str(first), [], rerankers)
    write(Report("demo", "python -m benchmarks.quality demo", [found]), plan.results, plots=False)
    return plan.results


def test_parts_are_commands_with_their_folders() -> None:
    text = "one: quality demo --collection {collections}/a\ntwo: speed other"
    one, two = study.parts(text, {"collections": "my folder", "runs": "r"})
    assert one.arguments == ("demo", "--collection", "my folder/a")
    assert one.command == "python -m benchmarks.quality demo --collection 'my folder/a'"
    assert (two.name, two.benchmark) == ("two", "speed")
    assert study.chosen([one, two], ["two"]) == [two]
    assert study.chosen([one, two], []) == [one, two]
    with pytest.raises(InputError, match="no part three; it has one, two"):
        study.chosen([one, two], ["three"])
    with pytest.raises(DataError, match="'one' is not BENCHMARK NAME"):
        list(study.parts("one: quality", {}))


def test_the_parts_of_the_project_are_benchmarks_with_names_of_their_own() -> None:
    text = study.PARTS.read_text("utf-8")
    found = list(study.parts(text, {"collections": "c", "runs": "r"}))
    assert all(find_spec(f"benchmarks.{part.benchmark}") for part in found)
    assert len({part.arguments[0] for part in found}) == len(found)
    assert "{" not in "".join(part.command for part in found)


def test_a_part_is_done_when_this_very_command_was(results: Path) -> None:
    part = study.Part("demo", "quality", ("demo",))
    assert not part.done
    part.sign()
    assert part.done
    assert not study.Part("demo", "quality", ("demo", "--queries", "3")).done
    assert not study.Part("demo", "quality", ("other",)).done


def test_a_part_is_run_again_for_another_default(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = study.Part("demo", "quality", ("demo",))
    part.sign()
    assert "former" not in tables.source("demo")
    for name in default.PRINTED:
        (tmp_path / name).write_bytes(b"trained anew")
    monkeypatch.setattr(default, "shipped_adapter", lambda: tmp_path)
    assert not part.done
    assert tables.source("demo").endswith("**Run with a former default.**")
    part.sign()
    assert part.done


def test_a_part_that_fails_stops_the_study(capfd: pytest.CaptureFixture[str]) -> None:
    part = study.Part("odd", "quality", ("odd", "--depth", "0"))
    with pytest.raises(DataError, match="part 'odd' ended with exit status"):
        part.run()


def test_parts_that_are_done_are_passed_over(
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study.Part("demo", "quality", ("demo",)).sign()
    listed = tmp_path / "study.yaml"
    listed.write_text("demo: quality demo\nnew: quality new --queries 3\n")
    asked: list[str] = []
    monkeypatch.setattr(study, "PARTS", listed)
    monkeypatch.setattr(study.Part, "run", lambda part: asked.append(part.name))
    monkeypatch.setattr(sys, "argv", ["study", "collections", "runs"])
    with pytest.raises(SystemExit) as ended:
        study.main()
    assert not ended.value.code
    assert asked == ["new"]
    assert "demo: done" in capsys.readouterr().out


def test_what_was_not_run_is_no_table(results: Path) -> None:
    with pytest.raises(DataError, match="run: make study"):
        tables.read("never")


def test_tables_hold_the_figures_of_the_run(results: Path) -> None:
    [experiment] = json.loads((results / "results.json").read_text())["experiments"]
    first, by_number, by_place = (row["measures"]["nDCG@10"]["mean"] for row in experiment["rows"])
    settings = tables.settings("demo")
    assert f"| window=5 | {by_number:.3f} [" in settings
    assert f"| {by_number - first:+.3f} |" in settings
    assert "| strategy=full |" in settings
    gains = tables.gains("demo").splitlines()
    assert len(gains) == 4
    assert f"| {first:.3f} | {by_number:.3f} | 3 | {by_number - first:+.3f} [" in gains[2]
    assert gains[3].startswith(f"| all queries |  |  |  | 3 | {by_number - first:+.3f} [")
    assert by_place == first
    head, _, row = tables.depths({3: "demo", 9: "demo"}).splitlines()
    assert head == "| first stage | alone | top 3 reranked | top 9 reranked |"
    assert row.count(f"{by_number:.3f} ({by_number - first:+.3f}, p ") == 2
    assert f"| {first:.3f} [" in row
    orders = tables.orders("demo").splitlines()
    assert orders[2].endswith("| 0.0000 | 0.0000 | 0.0000 | 1.0000 |")
    assert not orders[3].endswith("| 1.0000 |")
    assert tables.source("demo").startswith("```\npython -m benchmarks.quality demo\n```")


def test_a_failure_names_its_query_and_passages(results: Path) -> None:
    """Ranked by number, "1" falls from the first place to the fourth."""
    failures.record("demo")
    [line] = failures.failures("demo").splitlines()[2:]
    assert line == "| numbers | q3 | 1.000 | 0.431 |  | `4` |"


def test_plots_are_drawn(results: Path) -> None:
    pytest.importorskip("matplotlib")
    for path in (plots.pareto("demo"), plots.gain("demo")):
        assert path.read_text("utf-8").startswith("<?xml")
    assert plots.draw("demo") == []


def test_the_front_is_what_nothing_cheaper_reaches() -> None:
    assert plots.front([(3, 0.5), (1, 0.4), (2, 0.3), (2, 0.45), (4, 0.5)]) == [
        (1, 0.4),
        (2, 0.45),
        (3, 0.5),
    ]
