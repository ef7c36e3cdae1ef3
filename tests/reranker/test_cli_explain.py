"""`reranker explain`: what it prints, and what it keeps from the terminal."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reranker import Reranker
from reranker.cli.app import app
from reranker.cli.picture import softmax
from reranker.cli.terminal import bar, json_line, one_line, short
from tests.tiny import save_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def explain(tiny: Path):
    def invoke(*arguments: object, text: str | None = None) -> Result:
        argv = ["explain", *map(str, arguments), "--model", str(tiny)]
        return CliRunner().invoke(app, argv, input=text, catch_exceptions=False)

    return invoke


PASSAGES = ["Dunes are sand.", "Frank Herbert wrote Dune.", "It rains."]


def test_json_is_the_explanation_and_the_ranking(explain, tiny: Path):
    result = explain("who wrote Dune?", *PASSAGES, "--json", "--window", 2, "--stride", 1)
    found = json.loads(result.stdout)
    ranking = Reranker(tiny, window=2, stride=1).rank("who wrote Dune?", PASSAGES)
    expected = ranking.explain().to_dict()
    assert set(found) == {"query", "model", "device", "settings", "ranking", *expected}
    assert [passage["index"] for passage in found["ranking"]] == [p.index for p in ranking]
    assert [passage["text"] for passage in found["ranking"]] == [p.text for p in ranking]
    assert [w["candidates"] for w in found["windows"]] == [
        w["candidates"] for w in expected["windows"]
    ]
    assert (found["settings"]["window"], found["tokens"]) == (2, expected["tokens"])


def test_picture(explain):
    result = explain("who wrote Dune?", *PASSAGES, "--window", 2, "--stride", 1)
    assert result.exit_code == 0, result.stderr
    for part in ("who wrote Dune?", "window 1 of 2", "window 2 of 2", "[A]", "█", "tokens", "ms"):
        assert part in result.stdout
    assert "window=2" in result.stdout


def test_cuts_are_marked(explain):
    result = explain("q", "word " * 50, "short", "--passage-tokens", 8)
    assert " cut " in result.stdout
    assert "1 passage cut" in result.stdout


def test_no_text_acts_on_the_terminal(explain):
    evil = "\x1b]0;title\x07\x1b[2Jhello\x9b31m \u202edlrow\u200b\x00 [bold red]loud[/] :smile:"
    result = explain(evil, evil, "plain")
    assert result.exit_code == 0, result.stderr
    assert all(line.isprintable() for line in result.stdout.split("\n"))
    assert "hello dlrow [bold red]loud[/]" in result.stdout


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.txt", "one\ntwo\n"),
        ("p.jsonl", '"one"\n{"text": "two"}\n'),
        ("p.any", '{"text": "one"}\n\n{"text": "two", "id": "x"}\n'),
    ],
)
def test_passages_of_a_file(explain, tmp_path: Path, name: str, content: str):
    (tmp_path / name).write_text(content)
    for source, text in ((tmp_path / name, None), ("-", content)):
        if name == "p.jsonl" and text:
            continue
        result = explain("q", "--passages", source, "--json", text=text)
        found = json.loads(result.stdout)["ranking"]
        assert {p["index"]: p["text"] for p in found} == {0: "one", 1: "two"}


def test_a_passage_that_is_none(explain, tmp_path: Path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"text": "one"}\n{"no": "text"}\n')
    result = explain("q", "--passages", path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {path}:2: ")


def test_a_file_without_passages(explain):
    result = explain("q", "--passages", "-", text="")
    assert result.exit_code == 0, result.stderr
    assert "0 candidates" in result.stdout


def test_a_blank_query(explain):
    result = explain(" ", "a")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "blank" in result.stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\tb", "a b"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        ("\x1b]never ends", "]never ends"),
        ("a\u202eb\u2066c\u200dd\ufeff", "abcd"),
        ("\ud800x", "x"),
        ("naïve 日本 [b]", "naïve 日本 [b]"),
    ],
)
def test_one_line(text: str, shown: str):
    assert one_line(text) == shown


def test_short_ends_in_an_ellipsis():
    assert short("abcdef", 4) == "abc…"
    assert short("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0, ""), (1, "████"), (0.5, "██"), (0.28, "█▏"), (-1, ""), (2, "████"), (0.99, "████")],
)
def test_bar(share: float, drawn: str):
    assert bar(share, 4) == drawn


def test_json_line_escapes_what_cannot_be_printed():
    value = {"a": "é\x9b\u202e\U000e0041\ud800"}
    line = json_line(value)
    assert line.isprintable()
    assert "é" in line
    assert json.loads(line) == value


def test_softmax_by_hand():
    assert softmax([2.0, 2.0]) == [0.5, 0.5]
    assert softmax([1000.0, 0.0]) == [1.0, 0.0]
    assert softmax([]) == []
