import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from serve.http import create_app
from serve.service import Service
from serve.settings import ServeSettings
from tests.serve.house import Shelf
from tests.serve.server import HOST, serving

RETRIEVERS = Path(__file__).parents[2] / "examples" / "retrievers"


class Running(NamedTuple):
    """A service over the tiny model that listens, and its key."""

    address: str
    key: str


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    key = "a key of the tests"
    service = Service(ServeSettings(api_keys=(key,)), load=Shelf())
    asyncio.run(service.start())
    try:
        with serving(create_app(service)) as port:
            yield Running(f"http://{HOST}:{port}", key)
    finally:
        asyncio.run(service.stop(10.0))
