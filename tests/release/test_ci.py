"""The workflow does what a machine of one's own does, on every Python that is promised."""

import re
import tomllib

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.release.conftest import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
JOBS = WORKFLOW["jobs"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def commands(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def test_it_runs_what_a_change_must_pass() -> None:
    assert commands("test") == ["bash .ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert commands("dist") == ["make sbom"]
    assert re.search(r"^sbom: dist\b", MAKEFILE, re.MULTILINE)


def test_it_runs_on_changes() -> None:
    # YAML 1.1 reads `on` as a truth.
    assert set(WORKFLOW[True]) == {"push", "pull_request"}
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_its_pythons_are_promised_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = SpecifierSet(project["requires-python"])
    pythons = JOBS["test"]["strategy"]["matrix"]["python"]
    assert all(isinstance(each, str) and each in promised for each in pythons)
    assert "3.11" in pythons


@pytest.mark.parametrize("job", JOBS)
def test_its_steps_are_whole(job: str) -> None:
    assert JOBS[job]["timeout-minutes"]
    for step in JOBS[job]["steps"]:
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4"))
        for path in step.get("with", {}).get("cache-dependency-path", "").split():
            assert (ROOT / path).is_file()
