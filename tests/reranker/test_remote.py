"""What is sent, waited for and told, without a network."""

import json
import pickle
from typing import Any

import numpy as np
import pytest

import reranker.remote as module
from reranker.errors import (
    BusyError,
    DeadlineError,
    InputError,
    RemoteError,
    SettingsError,
    UnreachableError,
)
from reranker.passage import Passage
from reranker.ranking import Ranking
from reranker.remote import Lost, Remote, Reply, Send, Wait

URL = "http://127.0.0.1:8000"
KEY = "a key of the tests"
TEXTS = ["first text", "second text", "third text"]
BUSY = Reply(429, b'{"message": "much waits"}', "3")


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    monkeypatch.setattr(module.random, "random", lambda: 0.0)
    return clock


def answer(*results: tuple[Any, Any]) -> Reply:
    body = {"results": [{"index": place, "score": score} for place, score in results]}
    return Reply(200, json.dumps(body).encode())


ANSWER = answer((2, 1.5), (0, 0.25), (1, -3))


def converse(
    clock: Clock, remote: Remote, *replies: Reply | Lost, passages: Any = TEXTS, **options: Any
) -> tuple[Ranking, list[Send | Wait]]:
    """The ranking, and the steps that led to it."""
    options = {"top_k": None, "instruction": None, **options}
    asking = remote.ask("which?", passages, **options)
    steps: list[Send | Wait] = []
    came: Reply | Lost | None = None
    coming = iter(replies)
    while True:
        try:
            steps.append(asking.send(came))
        except StopIteration as stop:
            assert next(coming, None) is None, "not all replies were asked for"
            return stop.value, steps
        step = steps[-1]
        came = next(coming) if isinstance(step, Send) else None
        clock.now += step.seconds if isinstance(step, Wait) else 1.0


def test_a_ranking_is_asked_for_in_the_services_own_words(clock: Clock) -> None:
    passages = ["plain", {"text": "with", "id": 7, "title": "T"}, Passage("\ud800", id="z")]
    ranking, [step] = converse(
        clock, Remote(URL, model="legal"), ANSWER, passages=passages, instruction="be strict"
    )
    assert isinstance(step, Send)
    assert step.timeout == 60.0
    assert json.loads(step.body) == {
        "query": "which?",
        "passages": ["plain", {"text": "with", "title": "T"}, "\ud800"],
        "raw_scores": True,
        "instruction": "be strict",
        "model": "legal",
        "timeout": 60.0,
    }
    assert [(p.index, p.id, p.rank, p.score) for p in ranking] == [
        (2, "z", 1, 1.5),
        (0, "0", 2, 0.25),
        (1, "7", 3, -3.0),
    ]
    assert [p.passage.title for p in ranking] == [None, None, "T"]
    assert ranking.explain().candidates == 3


def test_the_best_alone(clock: Clock) -> None:
    ranking, [step] = converse(clock, Remote(URL), answer((1, 2.0)), top_k=1)
    assert isinstance(step, Send)
    assert json.loads(step.body)["top_n"] == 1
    assert [p.text for p in ranking] == ["second text"]


def test_a_whole_number_of_numpy_is_one(clock: Clock) -> None:
    top_k = np.int64(1)
    ranking, [step] = converse(clock, Remote(URL), answer((1, 2.0)), top_k=top_k)
    assert isinstance(step, Send)
    assert json.loads(step.body)["top_n"] == 1
    assert len(ranking) == 1


def test_no_passages_cost_no_request(clock: Clock) -> None:
    assert converse(clock, Remote(URL), passages=[]) == (Ranking("which?", []), [])


@pytest.mark.parametrize(
    ("query", "passages", "top_k"), [(" ", TEXTS, None), ("q", [3], None), ("q", TEXTS, 0)]
)
def test_input_is_checked_before_anything_is_sent(query: str, passages: Any, top_k: Any) -> None:
    with pytest.raises(InputError):
        Remote(URL).ask(query, passages, top_k, None).send(None)


def test_the_seconds_that_a_busy_service_names_are_waited(clock: Clock) -> None:
    _, steps = converse(clock, Remote(URL), BUSY, Reply(503, b"?"), ANSWER)
    assert [step.seconds for step in steps if isinstance(step, Wait)] == [3.0, 1.0]
    # Each attempt takes a second of this clock.
    assert [step.timeout for step in steps if isinstance(step, Send)] == [60.0, 56.0, 54.0]
    last = steps[-1]
    assert isinstance(last, Send)
    assert json.loads(last.body)["timeout"] == 54.0


def test_a_broken_connection_is_tried_anew(clock: Clock) -> None:
    ranking, steps = converse(clock, Remote(URL), Lost("ReadError"), ANSWER)
    assert len(ranking) == 3
    assert Wait(0.5) in steps


def test_nothing_is_waited_for_beyond_the_deadline(clock: Clock) -> None:
    with pytest.raises(BusyError, match=r"much waits; try again in 3 seconds.*timeout=") as raised:
        converse(clock, Remote(URL, timeout=4.0), BUSY)
    assert (raised.value.status, raised.value.retry_after) == (429, 3.0)


def test_retries_end(clock: Clock) -> None:
    with pytest.raises(BusyError, match="tried 3 times"):
        converse(clock, Remote(URL), BUSY, BUSY, BUSY)
    with pytest.raises(UnreachableError, match=r"ConnectError.*check the address"):
        converse(clock, Remote(URL, retries=0), Lost("ConnectError"))


@pytest.mark.parametrize("reply", [Lost("ReadTimeout", late=True), Reply(504, b"{}")])
def test_a_late_answer_is_not_asked_for_again(clock: Clock, reply: Reply | Lost) -> None:
    with pytest.raises(DeadlineError, match="longer timeout=") as raised:
        converse(clock, Remote(URL), reply)
    assert isinstance(raised.value, TimeoutError)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, b'{"message": "no API key was given"}', "answered 401: no API key.*api_key="),
        (404, b"<html>", "answered 404; give the address"),
        (413, b'{"message": 7}', "answered 413: 7; give fewer or shorter passages"),
        (422, b'{"message": "query: wrong\\nfield"}', "answered 422: query: wrong field$"),
        (500, b'["message"]', "answered 500; check the address, and the service's log"),
        (302, b"", "answered 302; check the address"),
    ],
)
def test_refusals_say_how_to_mend_it(clock: Clock, status: int, body: bytes, says: str) -> None:
    with pytest.raises(RemoteError, match=says) as raised:
        converse(clock, Remote(URL), Reply(status, body))
    there = pickle.loads(pickle.dumps(raised.value))
    assert (str(there), there.status) == (str(raised.value), status)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>"),
        Reply(200, b"[]"),
        Reply(200, b'{"results": 3}'),
        answer((0, 1.0), (1, 0.5)),
        answer((0, 1.0), (0, 0.5), (1, 0.25)),
        answer((0, 1.0), (1, 0.5), (3, 0.25)),
        answer((0, 1.0), (1, 0.5), (True, 0.25)),
        answer((0, 1.0), (1, 0.5), (2, "0.25")),
        answer((0, 1.0), (1, 0.5), (2, float("nan"))),
        answer((0, 1.0), (1, 0.5), ([], 0.25)),
    ],
)
def test_what_is_no_ranking_is_refused(clock: Clock, reply: Reply) -> None:
    with pytest.raises(RemoteError, match="no ranking of 3 passages"):
        converse(clock, Remote(URL), reply)


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8000", "ftp://a", "http://", "http://u:p@a", "http://a?k=v", "http://[", "a\n"],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(SettingsError, match=r"http://127\.0\.0\.1:8000") as raised:
        Remote(url)
    assert "u:p" not in str(raised.value)


def test_keys_are_never_shown() -> None:
    remote = Remote(f"{URL}/", KEY)
    assert KEY not in repr(remote)
    assert remote.url == URL
    assert remote.headers["authorization"] == f"Bearer {KEY}"
    for wrong in ("", f"{KEY}\n", "schlüssel", " qq"):
        with pytest.raises(SettingsError) as raised:
            Remote(URL, wrong)
        assert not wrong.strip() or wrong.strip() not in str(raised.value)


@pytest.mark.parametrize("terms", [{"timeout": 0}, {"timeout": float("nan")}, {"retries": -1}])
def test_terms_that_make_no_sense(terms: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(terms))):
        Remote(URL, **terms)


def test_absolute_scores_are_told_as_probabilities(clock: Clock) -> None:
    body = {**json.loads(ANSWER.body), "absolute": True}
    ranking, _ = converse(clock, Remote(URL), Reply(200, json.dumps(body).encode()))
    assert [p.relevance for p in ranking] == pytest.approx([0.817574, 0.562177, 0.047426], abs=1e-6)
    plain, _ = converse(clock, Remote(URL), ANSWER)
    assert {p.relevance for p in plain} == {None}
