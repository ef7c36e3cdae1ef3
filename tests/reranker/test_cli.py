"""The command line as a whole: help, version, errors, exit statuses, the generated page."""

import logging
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from reranker import __version__
from reranker.cli import group
from reranker.cli.app import app
from reranker.cli.options import RerankerOptions
from reranker.errors import ModelError

ROOT = Path(__file__).parents[2]
LINE = '{"query": "q", "passages": ["a", "b"]}\n'


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Have the model's loading end in an error."""

    def fail_with(error: BaseException) -> None:
        def load(options: RerankerOptions) -> None:
            raise error

        monkeypatch.setattr(RerankerOptions, "reranker", load)

    return fail_with


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"reranker {__version__}\n")


@pytest.mark.parametrize("command", [[], ["rank"], ["explain"], ["index"], ["doctor"]])
def test_help_names_the_command(command: list[str]):
    result = CliRunner().invoke(app, [*command, "--help"], prog_name="reranker")
    assert result.exit_code == 0
    assert " ".join(["Usage: reranker", *command]) in result.stdout


def test_help_loads_no_model_library():
    heavy = {"torch", "transformers", "peft", "numpy", "tokenizers", "bm25s"}
    code = f"import sys, reranker.cli.app; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_console_script_is_installed():
    script = which("reranker", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("the package is not installed in this environment")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"reranker {__version__}\n"


def test_page_is_what_the_help_says():
    pytest.importorskip("cogapp")
    command = [sys.executable, "-m", "cogapp", "--check", "docs/cli.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun: cog -r docs/cli.md"


@pytest.mark.parametrize("command", list(get_command(app).commands))
def test_page_has_every_command_and_each_takes_verbose(command: str):
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert f"\n## `reranker {command}`\n" in page
    assert f"\n| `reranker {command}` |" in page
    assert "--verbose" in CliRunner().invoke(app, [command, "--help"]).stdout


def test_error_is_one_line(failing):
    failing(ModelError("no such model\n\x1b[31mat all"))
    result = CliRunner().invoke(app, ["rank"], input=LINE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: no such model at all\n"


def test_notes_of_an_error_are_shown(failing):
    error = ModelError("broken")
    error.add_note("while loading")
    failing(error)
    assert CliRunner().invoke(app, ["rank"], input=LINE).stderr == "error: broken (while loading)\n"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--verbose"], {}), ([], {"RERANKER_TRACEBACK": "1"})],
)
def test_traceback_on_demand(failing, arguments: list[str], environment: dict[str, str]):
    error = ModelError("broken")
    failing(error)
    result = CliRunner().invoke(app, ["rank", *arguments], input=LINE, env=environment)
    assert (result.exit_code, result.exception) == (1, error)


def test_operating_system_error_names_its_file(failing):
    failing(PermissionError(13, "Permission denied", "/there"))
    result = CliRunner().invoke(app, ["rank"], input=LINE)
    assert result.stderr == "error: /there: Permission denied\n"


def test_ctrl_c_is_one_line(failing):
    failing(KeyboardInterrupt())
    result = CliRunner().invoke(app, ["rank"], input=LINE)
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rank", "--window", "1"], "--window"),
        (["rank", "--depth", "0"], "--depth"),
        (["rank", "--strategy", "best"], "--strategy"),
        (["rank", "--layout", "best"], "listwise"),
        (["rank", "--format", "csv"], "jsonl, trec"),
        (["rank", "--run", "x.trec"], "--collection"),
        (["rank", "in.jsonl", "--collection", "folder"], "not both"),
        (["explain", "q"], "--passages"),
        (["explain", "q", "a", "--passages", "file"], "--passages"),
        (["rank", "--nothing-like-it"], "--nothing-like-it"),
    ],
)
def test_wrong_use(arguments: list[str], message: str):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("terminal", "arguments", "shown"),
    [
        (False, [], "warning: careful\n"),
        (False, ["--verbose"], "debug: small\ninfo: unpacking, 30 s\nwarning: careful\n"),
        (True, [], "info: unpacking, 30 s\nwarning: careful\n"),
    ],
)
def test_log_lines(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, arguments: list[str], shown: str
):
    log = logging.getLogger("reranker.embedded")

    def load(options: RerankerOptions) -> None:
        log.debug("small")
        log.info("unpacking, %d s", 30)
        log.warning("careful")
        raise KeyboardInterrupt

    monkeypatch.setattr(RerankerOptions, "reranker", load)
    monkeypatch.setattr(group, "on_terminal", lambda: terminal)
    result = CliRunner().invoke(app, ["rank", *arguments], input=LINE)
    assert result.stderr == f"{shown}interrupted\n"
    library = logging.getLogger("reranker")
    assert (library.handlers, library.level, library.propagate) == ([], logging.NOTSET, True)
