import asyncio
import math
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from reranker.lockstep import Job
from reranker.passage import Passage
from reranker.strategies import full
from serve.admission import Admission
from serve.errors import Refusal, ServiceError
from serve.metrics import PrometheusMetrics
from serve.prepared import prepare
from serve.request import Priority, RerankRequest
from serve.settings import Limits
from serve.work import Work
from serve.worker import Worker
from tests.serve.house import request, run, serving, tiny_reranker

ENGINE: Any = SimpleNamespace(batch_tokens=100)
RERANKER = tiny_reranker()
BLANK = (Passage(" " * 96),) * 12


def admission(limits: Limits, *, queued: int = 0, speed: int | None = None) -> Admission:
    """Over an engine thread that never ran, with tokens in its queue and a speed."""
    worker = Worker(PrometheusMetrics())
    if queued:
        job = Job(full(1), lambda _: pytest.fail("read"))
        worker.queue.put(Work(job=job, engine=ENGINE, windows=1, tokens=queued))
    if speed:
        worker.rate.add(speed, 1.0)
    made = Admission(limits, worker)
    made.open()
    return made


def refusal(made: Admission, asked: RerankRequest) -> ServiceError | None:
    """How a request is refused, taken through both checks."""
    try:
        with made.taken(asked, 24) as ticket:
            made.queue(ticket, asked, prepare(RERANKER, asked))
    except ServiceError as error:
        return error
    return None


def test_documents() -> None:
    made = admission(Limits(max_documents=3))
    assert refusal(made, request(3)) is None
    refused = refusal(made, request(4))
    assert refused is not None
    assert (refused.status, refused.retry_after) == (422, None)
    assert "4 documents and may have 3" in str(refused)


def test_tokens_of_all_windows_count() -> None:
    asked = request(12)
    cost = sum(RERANKER.plan(RERANKER.encode(asked.query, asked.passages)))
    assert refusal(admission(Limits(max_request_tokens=cost)), asked) is None
    refused = refusal(admission(Limits(max_request_tokens=cost - 1)), asked)
    assert refused is not None
    assert refused.status == 422
    assert f"takes {cost} tokens and may take {cost - 1}" in str(refused)


def test_a_full_queue_says_when_it_will_have_been_read() -> None:
    limits = Limits(max_queued_tokens=5000, max_request_tokens=1000)
    assert refusal(admission(limits, queued=4000, speed=1000), request(3)) is None
    refused = refusal(admission(limits, queued=4990, speed=1000), request(3))
    assert refused is not None
    assert refused.refusal is Refusal.QUEUE_FULL
    assert refused.retry_after == pytest.approx(4.99)
    unmeasured = refusal(admission(limits, queued=4990), request(3))
    assert unmeasured is not None
    assert unmeasured.retry_after == 1.0


def test_no_queue_is_longer_than_its_seconds() -> None:
    limits = Limits(max_queued_s=3)
    assert refusal(admission(limits, queued=2900, speed=1000), request(3)) is None
    refused = refusal(admission(limits, queued=3100, speed=1000), request(3))
    assert refused is not None
    assert refused.refusal is Refusal.QUEUE_FULL
    assert refused.retry_after == pytest.approx(3.1)


def test_what_goes_after_a_request_does_not_keep_it_out() -> None:
    made = admission(Limits(max_queued_s=3, ageing_s=300), speed=1000)
    later = Job(full(1), lambda _: pytest.fail("read"), priority=time.monotonic() + 60)
    made._worker.queue.put(Work(job=later, engine=ENGINE, windows=1, tokens=5000))
    assert refusal(made, request(3)) is None
    refused = refusal(made, request(3, priority=Priority.BULK))
    assert refused is not None
    assert refused.retry_after == pytest.approx(5.0)


def test_what_cannot_end_in_time_is_not_begun() -> None:
    made = admission(Limits(), queued=4000, speed=1000)
    with made.taken(request(3), 24, time.monotonic() + 60):
        pass
    with (
        pytest.raises(ServiceError) as caught,
        made.taken(request(3), 24, time.monotonic() + 3.9),
    ):
        pass
    assert caught.value.refusal is Refusal.QUEUE_FULL
    assert caught.value.retry_after == pytest.approx(4.0)


# What is guessed before tokenising is too high for blank passages: 12 of 24 tokens.
@pytest.mark.parametrize("asked", [request(12), replace(request(12), passages=BLANK)])
def test_an_empty_queue_takes_whatever_may_be_asked_for(asked: RerankRequest) -> None:
    cost = sum(RERANKER.plan(RERANKER.encode(asked.query, asked.passages)))
    slow = Limits(max_request_tokens=cost, max_queued_tokens=cost, max_queued_s=0.001)
    assert asked.passages != BLANK or cost < 12 * 24
    assert refusal(admission(slow, speed=1), asked) is None


def test_requests_that_are_being_tokenised_take_room() -> None:
    made = admission(Limits(max_queued_tokens=100, max_request_tokens=100), speed=10)
    # 4 characters a token, and no more than the 24 that are read: 4 × 20 = 80.
    waits = RerankRequest(query="q", passages=(Passage("x" * 80),) * 4)
    with made.taken(waits, 24):
        refused = refusal(made, waits)
        assert refused is not None
        assert refused.refusal is Refusal.QUEUE_FULL
        assert refused.retry_after == pytest.approx(8.0)
        assert refusal(made, RerankRequest(query="q", passages=(Passage("x"),))) is None
    with made.taken(waits, 24):
        pass


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first_stage_scores": (1.0,)}, "1 first-stage scores were given for 3 documents"),
        ({"first_stage_scores": (1.0, math.nan, 2.0)}, "not finite"),
        ({"top_n": 0}, "top_n is 0"),
        ({"passage_tokens": -3}, "passage_tokens is -3"),
    ],
)
def test_fields_that_no_dialect_should_let_through(changes: dict[str, Any], message: str) -> None:
    refused = refusal(admission(Limits()), replace(request(3), **changes))
    assert refused is not None
    assert refused.status == 422
    assert message in str(refused)


def test_a_refusal_quotes_no_text() -> None:
    secret = "secret " * 100
    asked = RerankRequest(query="q", passages=(Passage(secret),) * 60, truncate=False)
    refused = refusal(admission(Limits()), asked)
    assert refused is not None
    assert "secret" not in str(refused)
    assert "0 (700 characters), 1 (700" in str(refused)
    assert str(refused).count("700") == 50
    assert "and 10 more" in str(refused)


def test_overload_answers_or_refuses_all_and_recovers() -> None:
    limits = Limits(max_queued_tokens=1500, max_request_tokens=1500)

    async def body() -> None:
        async with serving(limits) as house:
            ends: list[Any] = []
            for _ in range(5):
                tasks = [house.ask(request(2 + number % 9)) for number in range(40)]
                ends += await asyncio.gather(*tasks, return_exceptions=True)
            answers = [end for end in ends if not isinstance(end, Exception)]
            refusals = [end for end in ends if isinstance(end, Exception)]
            assert len(answers) > 10
            assert {end.refusal for end in refusals} == {Refusal.QUEUE_FULL}
            assert all(end.retry_after >= 1 for end in refusals)
            assert house.service._worker.queue.depth() == (0, 0)
            assert len((await house.service.rerank(request(10))).results) == 10

    run(body)


def test_drained_once_all_have_ended() -> None:
    async def body() -> None:
        made = admission(Limits())
        with made.taken(request(1), 24):
            assert not await made.drain(0.01)
        assert await made.drain(0.0)
        assert not made.ready

    run(body)
