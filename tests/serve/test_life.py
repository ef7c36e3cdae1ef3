import asyncio

import pytest

from reranker.errors import NonFiniteLogitsError, RerankerError
from serve.errors import Refusal, ServiceError
from serve.service import Service
from serve.settings import Limits, ServeSettings
from tests.serve.house import request, run, serving, tiny_reranker


def test_a_stop_loses_nothing_that_was_taken_in() -> None:
    async def body() -> None:
        async with serving() as house:
            first = await house.busy()
            tasks = [house.ask(request(n)) for n in range(3, 15)]
            # They are taken in at once, and still being tokenised when the stop comes.
            await asyncio.sleep(0)
            stop = asyncio.create_task(house.service.stop(20.0))
            await asyncio.sleep(0)
            with pytest.raises(ServiceError, match="stopping") as caught:
                await house.service.rerank(request(3))
            assert caught.value.refusal is Refusal.NOT_READY
            assert caught.value.retry_after
            assert not house.service.ready
            house.gate.open()
            answers = await asyncio.gather(first, *tasks)
            assert [len(answer.results) for answer in answers] == [2, *range(3, 15)]
            assert await stop
            assert not house.service.healthy

    run(body)


def test_not_ready_before_the_model_is_loaded() -> None:
    async def body() -> None:
        service = Service(ServeSettings(), load=lambda *_: tiny_reranker())
        assert not service.ready
        assert not service.healthy
        for call in (service.rerank(request(2)), service.rerank(request(0))):
            with pytest.raises(ServiceError, match="being loaded") as caught:
                await call
            assert caught.value.refusal is Refusal.NOT_READY
        await service.start()
        assert service.ready
        assert service.healthy
        assert await service.stop()

    run(body)


def test_a_model_that_cannot_be_read_keeps_the_service_from_starting() -> None:
    def broken(*_: object) -> object:
        reranker = tiny_reranker()
        reranker.engine.score = lambda _: (_ for _ in ()).throw(NonFiniteLogitsError([0]))  # type: ignore[method-assign,assignment]
        return reranker

    async def body() -> None:
        service = Service(ServeSettings(), load=broken)  # type: ignore[arg-type]
        with pytest.raises(RerankerError, match="NaN"):
            await service.start()
        assert not service.ready
        assert not service.healthy

    run(body)


def test_limits_change_while_it_runs() -> None:
    async def body() -> None:
        async with serving() as house:
            await house.service.rerank(request(5))
            house.service.reconfigure(Limits(max_documents=4))
            assert house.service.info()["limits"]["max_documents"] == 4  # type: ignore[index]
            with pytest.raises(ServiceError, match="5 documents and may have 4") as caught:
                await house.service.rerank(request(5))
            assert caught.value.status == 422
            house.service.reconfigure(Limits())
            await house.service.rerank(request(5))

    run(body)
