import asyncio

import pytest

from serve.rate import Rate
from serve.settings import Limits
from tests.serve.house import request, run, serving


@pytest.mark.parametrize(("tokens_a_second", "order"), [(10, [3, 6]), (1_000_000, [6, 3])])
def test_what_takes_long_can_wait_longer(tokens_a_second: int, order: list[int]) -> None:
    async def body() -> None:
        async with serving(Limits(max_queued_s=1e9), batch_tokens=1) as house:
            first = await house.busy()
            house.service._worker.rate = rate = Rate()
            rate.add(tokens_a_second, 1.0)
            long = house.ask(request(6))
            await house.queued(2)
            # Read in a thousandth of a second, it has waited longer than what comes now.
            await asyncio.sleep(0.1)
            short = house.ask(request(3))
            await house.queued(3)
            house.gate.open()
            await asyncio.gather(first, long, short)
            assert house.gate.sizes == [[2], *([size] for size in order)]

    run(body)
