"""The requests of the pages, sent as they stand, and the answers that they show."""

import json
import shlex
from itertools import pairwise

import httpx
import pytest

from serve.dialects.native import RankAnswer
from tests.docs.pages import DOCS, PAGES, commands, name, prose, sequence

HERE = "http://127.0.0.1:8000"
CURLS = [
    pytest.param(command, id=f"{name(page)}-{number}")
    for page in PAGES
    for number, command in enumerate(commands(page))
    if command.startswith("curl")
]


def sent(command: str, running) -> httpx.Response:
    """What the service of the tests answers to a curl command."""
    words = iter(shlex.split(command)[1:])
    headers, body, url = {"authorization": f"Bearer {running.key}"}, None, ""
    for word in words:
        match word:
            case "-H":
                key, _, value = next(words).partition(":")
                headers[key] = value.strip()
            case "-d":
                body = next(words)
            case "-s":
                pass
            case _:
                assert word.startswith(HERE), word
                url = word.replace(HERE, running.address)
    method = "GET" if body is None else "POST"
    return httpx.request(method, url, headers=headers, content=body, timeout=60)


def shape(value: object) -> object:
    """The names in a JSON value; those of a list are its first element's."""
    match value:
        case dict():
            return {key: shape(each) for key, each in value.items()}
        case [first, *_]:
            return shape(first)
    return None


@pytest.mark.parametrize("command", CURLS)
def test_a_request_is_answered(command, running):
    answer = sent(command, running)
    refused = '"passages"' not in command
    assert answer.status_code == (422 if refused else 200), answer.text


def test_the_answers_are_those_that_are_shown(running):
    kinds = sequence(DOCS / "http.md")
    pairs = [
        (command.removeprefix("$ ").replace("\\\n", " "), json.loads(answer))
        for (first, command), (second, answer) in pairwise(kinds)
        if (first, second) == ("console", "json")
    ]
    (ranked, shown), (refused, told) = pairs
    found = sent(ranked, running).json()
    assert shape(found) == shape(shown)
    assert [each["index"] for each in shown["results"]] == [1]
    assert sent(refused, running).json() == told


def test_every_part_of_an_answer_is_told():
    text = prose(DOCS / "http.md") + (DOCS / "http.md").read_text(encoding="utf-8")
    assert all(f'"{field}"' in text or f"`{field}`" in text for field in RankAnswer.model_fields)


def test_every_path_is_there(running):
    text = (DOCS / "http.md").read_text(encoding="utf-8").split("## Other paths")[1]
    rows = [line for line in text.splitlines() if line.startswith("| `GET")]
    assert len(rows) == 6
    for row in rows:
        first = row.split("|")[1]
        for path in (part.strip(" `").removeprefix("GET ") for part in first.split(",")):
            answer = httpx.get(running.address + path)
            open_ = row.rstrip(" |").endswith("open")
            assert answer.status_code == (200 if open_ else 401), path
