"""`python -m tests.integrations.endpoint KEY`: the tiny model's service; writes its port.

It runs until standard input ends.
"""

import asyncio
import sys

from serve.http import create_app
from serve.service import Service
from serve.settings import ServeSettings
from tests.serve.house import Shelf
from tests.serve.server import serving

if __name__ == "__main__":
    service = Service(ServeSettings(api_keys=(sys.argv[1],)), load=Shelf())
    asyncio.run(service.start())
    with serving(create_app(service)) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        sys.stdin.read()
    asyncio.run(service.stop(10.0))
