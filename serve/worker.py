"""The engine thread: the one thread of a replica in which models are loaded and read.

It goes on whatever happens in it, and shows by a heartbeat that it does. A device that has broken
down fails every pass at once, which no heartbeat shows: after failed passes the thread probes it.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from threading import Event, Thread
from typing import Any, TypeVar

from reranker.engine import Engine
from reranker.prompt import Prompt
from reranker.strategies import Scores
from serve.errors import Refusal, ServiceError
from serve.logs import failure
from serve.metrics import Metrics
from serve.queue import WindowQueue
from serve.rate import Rate
from serve.work import Work

_Result = TypeVar("_Result")
_IDLE_SECONDS = 0.5
_CALL_SECONDS = 1800.0
# What comes while a pass is read waits for its end: slow processors get short passes.
_PASS_SECONDS = 2.0
# So many passes that fail one after the other may be the device's fault.
_SUSPICIOUS = 3

log = logging.getLogger(__name__)


class Worker:
    """Reads the windows of a queue, pass after pass.

    Args:
        metrics: told of every pass.

    `probe`, called in the thread after failed passes, reads what always can be read, and raises
    where the device has broken down.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.queue = WindowQueue(self._read, self._budget)
        self.rate = Rate()
        self._metrics = metrics
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._wake = Event()
        self._stopping = False
        self._beat, self._calling = time.monotonic(), False
        self.probe: Callable[[], object] = lambda: None
        self._failed, self._broken = 0, False
        self._thread = Thread(target=self._run, name="engine", daemon=True)
        metrics.watch(self.queue.depth)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Have work's windows read."""
        self.queue.put(work)
        self._wake.set()

    def run(self, call: Callable[[], _Result]) -> "Future[_Result]":
        """Have the thread make a call between two passes, such as loading a model."""
        future: Future[_Result] = Future()
        self._calls.append((future, call))
        self._wake.set()
        if self._stopping:
            self._refuse_calls()
        return future

    def healthy(self, seconds: float) -> bool:
        """Whether the thread lives, and began a pass, or looked for one, in the last `seconds`.

        Not while the probe fails. A model that is being loaded may have to be fetched first: it
        has half an hour.
        """
        silence = time.monotonic() - self._beat
        beats = silence < (_CALL_SECONDS if self._calling else seconds)
        return self._thread.is_alive() and beats and not self._broken

    def stop(self) -> None:
        """End the thread after the pass at hand; work that is left is refused as not ready."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            # Cleared before looking, so that what comes meanwhile is not slept over.
            self._wake.clear()
            read = self._turn()
            self._examine()
            if not read:
                self._wake.wait(_IDLE_SECONDS)
        self.queue.close(_stopped())
        self._refuse_calls()

    def _turn(self) -> bool:
        """Make the calls that wait and read one pass; False where there was none to read."""
        self._beat = time.monotonic()
        try:
            while self._calls:
                self._call(*self._calls.popleft())
            return self.queue.step()
        except Exception as error:
            failure(log, "the engine thread met an error", error)
            self.queue.fail_all(error)
            return True

    def _examine(self) -> None:
        """Tell requests that fail alone from a device that reads nothing any longer."""
        broken = False
        if self._failed >= _SUSPICIOUS:
            try:
                self.probe()
                self._failed = 0
            except Exception as error:
                broken = True
                if not self._broken:
                    failure(log, "the device has broken down", error)
        self._broken = broken

    def _call(self, future: "Future[Any]", call: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        self._calling = True
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)
        finally:
            self._beat, self._calling = time.monotonic(), False

    def _refuse_calls(self) -> None:
        while self._calls:
            future, _ = self._calls.popleft()
            if future.set_running_or_notify_cancel():
                future.set_exception(_stopped())

    def _read(self, engine: Engine, prompts: Sequence[Prompt]) -> Sequence[Scores]:
        self._beat = started = time.monotonic()
        before = None if engine.cache is None else replace(engine.cache.statistics)
        self._failed += 1
        logits = engine.score(prompts)
        self._failed = 0
        if engine.cache is not None and before is not None:
            self._metrics.kept(engine.cache.statistics.since(before), engine.cache.nbytes)
        tokens, budget = sum(map(len, prompts)), self._budget(engine)
        self.rate.add(tokens, time.monotonic() - started)
        self._metrics.passed(len(prompts), tokens, budget)
        return logits

    def _budget(self, engine: Engine) -> int:
        """Tokens of the next pass: the engine's own, which falls where it ran out of memory."""
        speed = self.rate.tokens_per_second
        if speed is None:
            return engine.batch_tokens
        return min(engine.batch_tokens, math.ceil(_PASS_SECONDS * speed))


def _stopped() -> ServiceError:
    return ServiceError(
        Refusal.NOT_READY,
        "this replica stopped before the answer was ready; send the request again",
        retry_after=1.0,
    )
