"""One version, in `reranker/__init__.py`; whatever else names it says the same."""

import re
import tomllib
from datetime import date

from packaging.version import Version

import reranker
from tests.release.conftest import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_package_reads_it_from_its_code() -> None:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in found["project"]
    assert found["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "reranker.__version__"}
    assert str(Version(reranker.__version__)) == reranker.__version__


def test_the_changelog_begins_with_it() -> None:
    first, *released = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert first == "Unreleased"
    entries = [re.fullmatch(r"(\S+) - (\S+)", head) for head in released]
    assert all(entries), f"expected '## VERSION - YYYY-MM-DD', found {released}"
    versions = [Version(entry[1]) for entry in entries]
    dates = [date.fromisoformat(entry[2]) for entry in entries]
    assert str(versions[0]) == reranker.__version__
    assert (versions, dates) == (sorted(versions, reverse=True), sorted(dates, reverse=True))
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= KINDS


def test_what_is_deployed_has_it() -> None:
    for name in ("serve/deploy/rayservice.yaml", "serve/deploy/Dockerfile", "README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"reranker-serve:([\w.]+)", text)) == {reranker.__version__}, name
