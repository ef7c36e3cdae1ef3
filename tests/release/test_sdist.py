"""The source distribution: enough to build the package, and to run its tests."""

import re
from pathlib import Path

from tests.release.conftest import ROOT

ROOMS = ("reranker", "data", "training", "serve", "benchmarks", "tests", "examples", "docs")
BESIDE = (
    "Makefile",
    "constraints.txt",
    "pyproject.toml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    ".ci/run",
    ".ci/tools.txt",
    ".github/workflows/ci.yml",
)
LOCAL = r"__pycache__|\.py[co]$|(^|/)runs/|\.venv|\.git/|_cache/|\.hypothesis"


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_has_every_room_whole(sdist: Path) -> None:
    found = names(sdist)
    for room in ROOMS:
        here = {f"{room}/{name}" for name in names(ROOT / room)}
        wanted = {name for name in here if not re.search(LOCAL, name)}
        assert wanted
        assert wanted <= found, sorted(wanted - found)[:5]
    assert set(BESIDE) <= found


def test_it_has_nothing_of_this_machine(sdist: Path) -> None:
    assert [name for name in names(sdist) if re.search(LOCAL, name)] == []
