import threading
import time
from collections.abc import Callable, Iterator

import pytest

from serve.errors import Refusal, ServiceError
from serve.metrics import PrometheusMetrics
from serve.prepared import prepare
from serve.rate import Rate
from serve.work import Work
from serve.worker import Worker
from tests.serve.house import Gate, request, tiny_reranker

RERANKER = tiny_reranker()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(PrometheusMetrics())
    worker.start()
    yield worker
    worker.stop()


def work(documents: int = 3) -> Work:
    prepared = prepare(RERANKER, request(documents))
    return Work.of(RERANKER, prepared, priority=0.0, deadline=time.monotonic() + 60)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_work_is_read_in_one_thread(worker: Worker) -> None:
    names = {worker.run(lambda: threading.current_thread().name).result(20) for _ in range(3)}
    one = work()
    worker.submit(one)
    one.done.result(20)
    assert names == {"engine"}
    assert one.job.order is not None
    assert one.seconds > 0
    assert worker.rate.tokens_per_second is not None


def test_a_call_that_fails_fails_its_caller_alone(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.run(lambda: 1 / 0).result(20)
    assert worker.run(lambda: 5).result(20) == 5
    assert worker.healthy(20)


def test_the_thread_outlives_any_exception(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    step, failures = worker.queue.step, []

    def fail_once() -> bool:
        if not failures:
            failures.append(1)
            raise RuntimeError("broken")
        return step()

    monkeypatch.setattr(worker.queue, "step", fail_once)
    hit, well = work(), work()
    worker.submit(hit)
    with pytest.raises(RuntimeError, match="broken"):
        hit.done.result(20)
    worker.submit(well)
    well.done.result(20)
    assert worker.healthy(20)


def test_the_heart_stops_with_a_pass_that_never_ends(worker: Worker) -> None:
    reranker = tiny_reranker()
    gate = Gate(reranker)
    gate.close()
    prepared = prepare(reranker, request(2))
    stuck = Work.of(reranker, prepared, priority=0.0, deadline=time.monotonic() + 60)
    worker.submit(stuck)
    assert gate.reached.wait(20)
    time.sleep(0.05)
    assert not worker.healthy(0.05)
    gate.open()
    stuck.done.result(20)
    wait_for(lambda: worker.healthy(0.05))


def test_an_idle_heart_beats(worker: Worker) -> None:
    time.sleep(1.2)
    assert worker.healthy(1.0)


def test_loading_may_take_longer(worker: Worker) -> None:
    go = threading.Event()
    loading = worker.run(lambda: go.wait(20))
    wait_for(lambda: worker._calling)
    time.sleep(0.05)
    assert worker.healthy(0.01)
    go.set()
    loading.result(20)


def test_after_a_stop_everything_is_refused() -> None:
    worker = Worker(PrometheusMetrics())
    worker.start()
    worker.stop()
    one, call = work(), worker.run(lambda: 5)
    worker.submit(one)
    for error in (one.done.exception(20), call.exception(20)):
        assert isinstance(error, ServiceError)
        assert error.refusal is Refusal.NOT_READY
    assert not worker.healthy(100)


def test_calls_that_wait_at_a_stop_are_refused(worker: Worker) -> None:
    reranker = tiny_reranker()
    gate = Gate(reranker)
    gate.close()
    prepared = prepare(reranker, request(2))
    held = Work.of(reranker, prepared, priority=0.0, deadline=time.monotonic() + 60)
    worker.submit(held)
    assert gate.reached.wait(20)
    call = worker.run(lambda: 5)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    wait_for(lambda: worker._stopping)
    gate.open()
    refused = call.exception(20)
    assert isinstance(refused, ServiceError)
    assert refused.refusal is Refusal.NOT_READY
    assert held.done.result(20) is None
    stopping.join(20)


def test_the_rate_weighs_the_last_passes_most() -> None:
    rate = Rate()
    assert rate.seconds(100) is None
    rate.add(100, 1.0)
    assert rate.tokens_per_second == pytest.approx(100)
    rate.add(10, 1.0)
    # (0.9 × 100 + 10) / (0.9 × 1 + 1)
    assert rate.tokens_per_second == pytest.approx(100 / 1.9)
    assert rate.seconds(200) == pytest.approx(3.8)


def test_passes_of_a_slow_processor_are_short() -> None:
    worker, reranker = Worker(PrometheusMetrics()), tiny_reranker()
    gate = Gate(reranker)

    def queue(requests: int) -> None:
        for _ in range(requests):
            prepared = prepare(reranker, request(3))
            late = time.monotonic() + 60
            worker.queue.put(Work.of(reranker, prepared, priority=0.0, deadline=late))

    worker.rate.add(10, 1.0)
    queue(2)
    worker.queue.step()
    assert gate.sizes == [[3]]
    # It was read faster than that, so the next pass may be longer.
    worker.rate.add(1_000_000, 1.0)
    queue(2)
    worker.queue.step()
    assert gate.sizes == [[3], [3, 3, 3]]


def failing(worker: Worker, times: int) -> None:
    """Work whose passes fail one after the other, as those of a device that has broken down do."""
    reranker = tiny_reranker()
    Gate(reranker).poison[2] = RuntimeError("device-side assert")
    for _ in range(times):
        prepared = prepare(reranker, request(2))
        bad = Work.of(reranker, prepared, priority=0.0, deadline=time.monotonic() + 60)
        worker.submit(bad)
        with pytest.raises(RuntimeError, match="assert"):
            bad.done.result(20)


def test_a_device_that_has_broken_down_makes_it_ill_until_it_reads_again(worker: Worker) -> None:
    probed: list[bool] = []

    def probe() -> None:
        probed.append(True)
        raise RuntimeError("device-side assert")

    worker.probe = probe
    failing(worker, 2)
    assert worker.healthy(20)
    assert not probed
    failing(worker, 1)
    wait_for(lambda: not worker.healthy(20))
    well = work()
    worker.submit(well)
    well.done.result(20)
    wait_for(lambda: worker.healthy(20))


def test_requests_that_fail_alone_leave_it_healthy(worker: Worker) -> None:
    probed: list[bool] = []
    worker.probe = lambda: probed.append(worker.healthy(20))
    failing(worker, 3)
    wait_for(lambda: probed == [True])
    failing(worker, 2)
    assert worker.run(lambda: len(probed)).result(20) == 1
    assert worker.healthy(20)
