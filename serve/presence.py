"""A client's presence: work that nobody waits for any longer is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from serve.errors import Refusal, ServiceError

T = TypeVar("T")


async def while_present(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do work for a client, for as long as it stays.

    Args:
        request: its body read to the end.
        work: cancelled when the client has left, or when this call is.

    Raises:
        ServiceError: CLIENT_GONE; and whatever the work raises.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise left()
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


def left() -> ServiceError:
    """What is accounted for a client that has left; it does not hear it."""
    return ServiceError(Refusal.CLIENT_GONE, "the client left before the answer was ready")


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
