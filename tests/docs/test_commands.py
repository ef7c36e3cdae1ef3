"""The commands of the pages: each program, file, target, subcommand and option is there.

None is run: what they do is tested where it is built.
"""

import re
import shlex
import tomllib
from importlib import import_module
from importlib.util import find_spec

import pytest
from typer import Typer
from typer.testing import CliRunner

from reranker.cli.app import app as reranker
from tests.docs.pages import PAGES, ROOT, commands, mentioned, name

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Programs whose options are not ours to check.
OTHERS = {
    "bash", "cat", "curl", "docker", "echo", "kubectl", "printf", "ray", "serve", "sha256sum",
    "tensorboard", "torchrun",
}  # fmt: skip
COMMANDS = [
    pytest.param(command, id=f"{name(page)}-{number}")
    for page in PAGES
    for number, command in enumerate(commands(page) + mentioned(page))
]


def split(command: str) -> list[list[str]]:
    """The words of each command of a line, without comments and variables."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|;&>")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|;&"):
            parts.append([])
        elif parts[-1] or not re.match(r"[A-Z_]+=", word):
            parts[-1].append(word)
    return parts


def check_line(command: str) -> None:
    for words in split(command):
        check(*words)


def check(program: str, *words: str) -> None:
    match program, words:
        case "make", _:
            for word in words:
                check_make(word)
        case "reranker", _:
            check_options(reranker, words)
        case "python", ("-m", module, *rest):
            check_module(module, rest)
        case "python", (path, *_):
            assert (ROOT / path).is_file(), path
        case "pip", ("install", *rest):
            check_install(rest)
        case _:
            assert program in OTHERS, f"{program}: what is it?"
            check_paths(words)
    if "-m" in words and program == "torchrun":
        check_module(words[words.index("-m") + 1], [])


def check_make(word: str) -> None:
    variable, given, _ = word.partition("=")
    if given:
        assert re.search(rf"^{variable} \?=", MAKEFILE, re.MULTILINE), word
    else:
        assert re.search(rf"^{re.escape(word)}:(?!=)", MAKEFILE, re.MULTILINE), word


def check_options(app: Typer, words: list[str] | tuple[str, ...]) -> None:
    """Options are looked up before help is shown; twice, as one that lacks its value takes one."""
    asked = [*words, "--help", "--help"]
    done = CliRunner().invoke(app, asked, env={"TERM": "dumb", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output


def check_module(module: str, words: list[str]) -> None:
    assert find_spec(module) is not None, module
    if module.split(".")[0] in {"data", "training", "serve", "benchmarks", "reranker"}:
        package = find_spec(module).submodule_search_locations is not None
        app = import_module(f"{module}.__main__" if package else module).app
        check_options(app, words)
        check_paths(words)


def check_install(words: list[str]) -> None:
    for word in words:
        for extra in re.findall(r"\[([\w,-]+)\]", word):
            assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"]), word
    check_paths(words)


def check_paths(words: list[str] | tuple[str, ...]) -> None:
    """Files of the checkout, and `module:name` that Ray is to serve."""
    for word in words:
        if re.match(r"(\.ci|benchmarks|docs|examples|serve|training)/", word):
            assert (ROOT / word).exists(), word
        if matched := re.fullmatch(r"(serve[\w.]*):(\w+)", word):
            assert getattr(import_module(matched[1]), matched[2]), word


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.filterwarnings("ignore")
def test_a_command_could_be_run(command):
    check_line(command)


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "make serve NOPE=1",
        "reranker rank --nope",
        "reranker nope",
        "python -m data nope",
        "python -m nope",
        "python -m serve.bulk A B --nope 3",
        "python examples/nope.py",
        "pip install '.[nope]'",
        "serve run serve/deploy/nope.yaml",
        "serve run serve.app:nope",
        "cat x | nope",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_not_there_is_found(command):
    with pytest.raises((AssertionError, AttributeError, ImportError)):
        check_line(command)
