import asyncio
import time

import pytest

from serve.errors import Refusal, ServiceError
from serve.request import Priority
from serve.settings import Limits
from tests.serve.house import House, request, run, serving, until


def measured_fast(house: House) -> None:
    """So that every deadline seems far enough to take a request in."""
    house.service._worker.rate.add(1_000_000_000, 1.0)


def test_what_waits_too_long_is_dropped_unread() -> None:
    async def body() -> None:
        async with serving() as house:
            measured_fast(house)
            first = await house.busy()
            late = house.ask(request(3, timeout=0.05))
            with pytest.raises(ServiceError) as caught:
                await late
            assert caught.value.refusal is Refusal.DEADLINE
            await house.queued(1)
            house.gate.open()
            await first
            await house.service.rerank(request(4))
            assert house.gate.sizes == [[2], [4]]

    run(body)


def test_the_engine_thread_keeps_the_deadline_by_itself() -> None:
    async def body() -> None:
        async with serving() as house:
            house.gate.close()
            with pytest.raises(ServiceError) as caught:
                await house.service._course.run(request(3), time.monotonic())
            assert caught.value.refusal is Refusal.DEADLINE
            assert not house.gate.reached.is_set()

    run(body)


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_no_time_is_too_late(timeout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        async with serving() as house:
            tokenised: list[object] = []
            monkeypatch.setattr(house.shelf.rerankers[0], "encode", lambda *_: tokenised.append(1))
            with pytest.raises(ServiceError) as caught:
                await house.service.rerank(request(3, timeout=timeout))
            assert caught.value.refusal is Refusal.DEADLINE
            assert tokenised == []

    run(body)


def test_a_late_deadline_is_brought_forward() -> None:
    async def body() -> None:
        async with serving(Limits(max_timeout_s=0.05)) as house:
            measured_fast(house)
            first = await house.busy()
            for timeout in (None, 999.0):
                with pytest.raises(ServiceError, match="deadline"):
                    await house.service.rerank(request(3, timeout=timeout))
            house.gate.open()
            with pytest.raises(ServiceError, match="deadline"):
                await first

    run(body)


def test_the_work_of_a_client_that_left_is_dropped_unread() -> None:
    async def body() -> None:
        async with serving() as house:
            first = await house.busy()
            gone, stays = house.ask(request(3)), house.ask(request(4))
            await house.queued(3)
            gone.cancel()
            await house.queued(2)
            house.gate.open()
            await asyncio.gather(first, stays)
            assert gone.cancelled()
            assert house.gate.sizes == [[2], [4]]

    run(body)


def test_a_client_that_leaves_between_windows_spares_the_others() -> None:
    async def body() -> None:
        async with serving() as house:
            house.gate.close()
            gone = house.ask(request(12))
            await until(house.gate.reached.is_set)
            gone.cancel()
            await house.queued(0)
            house.gate.open()
            await house.service.rerank(request(3))
            assert house.gate.sizes == [[6], [3]]

    run(body)


def test_a_client_that_leaves_while_its_texts_wait_is_never_tokenised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body() -> None:
        async with serving(tokenise_threads=1) as house:
            started, go = asyncio.Event(), asyncio.Event()
            loop, seen = asyncio.get_running_loop(), []
            reranker = house.shelf.rerankers[0]
            encode = reranker.encode

            def slow(query: str, *rest: object) -> object:
                seen.append(query)
                loop.call_soon_threadsafe(started.set)
                asyncio.run_coroutine_threadsafe(go.wait(), loop).result(20)
                return encode(query, *rest)  # type: ignore[arg-type]

            monkeypatch.setattr(reranker, "encode", slow)
            first, gone = house.ask(request(2, query="first")), house.ask(request(2, query="gone"))
            await started.wait()
            gone.cancel()
            await asyncio.sleep(0)
            go.set()
            await first
            assert seen == ["first"]

    run(body)


@pytest.mark.parametrize(("ageing", "order"), [(0.2, [3, 4, 5]), (60.0, [5, 3, 4])])
def test_interactive_goes_first_until_bulk_has_aged(ageing: float, order: list[int]) -> None:
    async def body() -> None:
        async with serving(Limits(ageing_s=ageing), batch_tokens=1) as house:
            first = await house.busy()
            bulk = [house.ask(request(n, priority=Priority.BULK)) for n in (3, 4)]
            await house.queued(3)
            await asyncio.sleep(0.3)
            urgent = house.ask(request(5))
            await house.queued(4)
            house.gate.open()
            await asyncio.gather(first, *bulk, urgent)
            assert house.gate.sizes == [[2], *([n] for n in order)]

    run(body)


def test_what_a_stop_cannot_wait_for_is_refused() -> None:
    async def body() -> None:
        async with serving() as house:
            first = await house.busy()
            waiting = house.ask(request(3))
            await house.queued(2)
            stop = asyncio.create_task(house.service.stop(0.05))
            await asyncio.sleep(0.2)
            house.gate.open()
            assert not await stop
            assert len((await first).results) == 2
            with pytest.raises(ServiceError) as caught:
                await waiting
            assert caught.value.refusal is Refusal.NOT_READY
            assert caught.value.retry_after

    run(body)
