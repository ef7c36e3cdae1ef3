"""The course of one request: taken in, tokenised, queued, read, answered."""

import asyncio
import time
from concurrent.futures import Executor

from reranker.reranker import Reranker
from serve.admission import Admission
from serve.answer import answer
from serve.models import Models
from serve.prepared import prepare
from serve.request import RerankRequest, RerankResponse
from serve.work import Work
from serve.worker import Worker


class Course:
    """What every request goes through.

    Args:
        admission: takes it in.
        models: find its reranker.
        worker: reads its windows.
        threads: tokenise its texts, off the event loop.
    """

    def __init__(
        self, admission: Admission, models: Models, worker: Worker, threads: Executor
    ) -> None:
        self._admission, self._models = admission, models
        self._worker, self._threads = worker, threads

    async def run(self, request: RerankRequest, deadline: float) -> RerankResponse:
        """Answer a request; cancelled, it leaves nothing behind.

        Args:
            request: what to answer.
            deadline: when to give up, in seconds of `time.monotonic`.

        Raises:
            ServiceError: for a request that is not taken in, or dropped.
            RerankerError: for one that cannot be tokenised or read.
        """
        started = time.monotonic()
        limit = self._models.default.settings.passage_tokens
        with self._admission.taken(request, limit, deadline) as ticket:
            model = self._models.resolve(request.model)
            reranker = await self._reranker(model)
            loaded = time.monotonic()
            loop = asyncio.get_running_loop()
            prepared = await loop.run_in_executor(self._threads, prepare, reranker, request)
            tokenised = time.monotonic()
            self._admission.queue(ticket, request, prepared)
            work = Work.of(reranker, prepared, priority=ticket.priority, deadline=deadline)
            self._worker.submit(work)
            await asyncio.wrap_future(work.done)
            read = time.monotonic()
            milliseconds = _milliseconds(
                tokenise=tokenised - loaded,
                queue=max(0.0, read - tokenised - work.seconds),
                engine=work.seconds,
                total=read - started,
            )
            return answer(request, prepared, work.job, model=model, milliseconds=milliseconds)

    async def _reranker(self, model: str) -> Reranker:
        if found := self._models.loaded(model):
            return found
        return await asyncio.wrap_future(self._worker.run(lambda: self._models.load(model)))


def _milliseconds(**seconds: float) -> dict[str, float]:
    return {part: round(1000 * value, 3) for part, value in seconds.items()}
