"""Load on a service over HTTP: clients that ask again and again, and what became of it."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: when it began (seconds of `time.monotonic`), how long it took, its answer."""

    began: float
    seconds: float
    response: httpx.Response | None
    error: str = ""

    @property
    def status(self) -> int:
        """The HTTP status; 0 where the connection failed."""
        return self.response.status_code if self.response else 0

    @property
    def honest(self) -> bool:
        """Whether it is a result, or a refusal in JSON that says when to come again."""
        if self.response is None:
            return False
        body = json.loads(self.response.text)
        if self.status == 200:
            return bool(body["results"])
        return self.status == 503 and int(self.response.headers["retry-after"]) >= 1


@dataclass
class Load:
    """What has been asked so far."""

    address: str
    body: dict[str, Any]
    outcomes: list[Outcome] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    def ask(self, client: httpx.Client) -> None:
        """Send one request, and keep what becomes of it."""
        began = time.monotonic()
        try:
            response, error = client.post(f"{self.address}/v2/rerank", json=self.body), ""
        except httpx.TransportError as failed:
            response, error = None, repr(failed)
            time.sleep(0.1)
        self.outcomes.append(Outcome(began, time.monotonic() - began, response, error))

    def statuses(self) -> Counter[int]:
        """How many requests had which status."""
        return Counter(outcome.status for outcome in self.outcomes)

    def _repeat(self) -> None:
        with httpx.Client(timeout=120) as client:
            while not self._end.is_set():
                self.ask(client)

    @contextmanager
    def running(self, clients: int) -> Iterator[None]:
        """Keep so many clients asking for as long as the block runs; each ends its last request."""
        threads = [threading.Thread(target=self._repeat) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()


def documents(count: int) -> list[str]:
    """Documents of different length."""
    return [f"document {place} about numbers " + "ab " * (place * 7 % 5) for place in range(count)]
