import asyncio

import pytest

from reranker.checkpoint import Checkpoint
from reranker.passage_cache import CacheStatistics, PassageCache
from reranker.reranker import Reranker
from reranker.settings import Settings
from serve.errors import Refusal, ServiceError
from serve.metrics import PrometheusMetrics
from serve.service import Service
from serve.settings import Limits, ServeSettings
from tests.serve.house import request, run, serving
from tests.tiny import tiny_model, tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def values(metrics: PrometheusMetrics) -> dict[str, float]:
    """Every sample by its name and labels."""
    lines = metrics.render().decode().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def test_by_hand() -> None:
    metrics, depth = PrometheusMetrics(), [(3, 120)]
    metrics.watch(lambda: depth[0])
    metrics.passed(2, 75, 100)
    metrics.passed(1, 130, 100)
    metrics.answered({"tokenise": 2.0, "total": 1500.0})
    metrics.answered({"tokenise": 30.0, "total": 40.0})
    metrics.refused(Refusal.QUEUE_FULL)
    metrics.refused(Refusal.UNAUTHORISED)
    metrics.refused(Refusal.QUEUE_FULL)
    metrics.kept(CacheStatistics(memory=5, computed=2, tokens_saved=70), 4096)
    metrics.kept(CacheStatistics(memory=1, disk=3, damaged=1, tokens_saved=30), 5120)
    found = values(metrics)
    assert found['reranker_cache_passages_total{where="memory"}'] == 6
    assert found['reranker_cache_passages_total{where="disk"}'] == 3
    assert found['reranker_cache_passages_total{where="computed"}'] == 2
    assert found['reranker_cache_passages_total{where="damaged"}'] == 1
    assert found["reranker_cache_tokens_saved_total"] == 100
    assert found["reranker_cache_bytes"] == 5120
    assert found["reranker_queue_windows"] == 3
    assert found["reranker_queue_tokens"] == 120
    assert found["reranker_windows_total"] == 3
    assert found["reranker_tokens_total"] == 205
    assert found['reranker_batch_fill_bucket{le="0.7"}'] == 0
    assert found['reranker_batch_fill_bucket{le="0.8"}'] == 1
    assert found['reranker_batch_fill_bucket{le="1.0"}'] == 1
    assert found["reranker_batch_fill_count"] == 2
    assert found["reranker_batch_fill_sum"] == pytest.approx(2.05)
    assert found['reranker_latency_seconds_sum{part="total"}'] == pytest.approx(1.54)
    assert found['reranker_latency_seconds_bucket{le="0.005",part="tokenise"}'] == 1
    assert found['reranker_requests_total{outcome="ok"}'] == 2
    assert found['reranker_requests_total{outcome="queue_full"}'] == 2
    assert found['reranker_requests_total{outcome="unauthorised"}'] == 1
    depth[0] = (0, 0)
    assert values(metrics)["reranker_queue_tokens"] == 0


def test_registries_are_apart() -> None:
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one.passed(1, 1, 1)
    assert values(other)["reranker_windows_total"] == 0
    assert one.content_type.startswith("text/plain")


def test_the_service_counts_what_it_does() -> None:
    async def body() -> None:
        async with serving(Limits(max_documents=20)) as house:
            first = await house.busy()
            gone, stays = house.ask(request(12)), house.ask(request(4))
            await house.queued(5)
            metrics = house.service.metrics
            assert isinstance(metrics, PrometheusMetrics)
            assert values(metrics)["reranker_queue_windows"] == 5
            gone.cancel()
            await house.queued(2)
            house.gate.open()
            answers = await asyncio.gather(first, stays)
            with pytest.raises(ServiceError):
                await house.service.rerank(request(21))
            found = values(metrics)
            assert found["reranker_windows_total"] == 2
            assert found["reranker_tokens_total"] == sum(a.prompt_tokens for a in answers)
            assert found['reranker_requests_total{outcome="ok"}'] == 2
            assert found['reranker_requests_total{outcome="client_gone"}'] == 1
            assert found['reranker_requests_total{outcome="unprocessable"}'] == 1
            for part in ("tokenise", "queue", "engine", "total"):
                summed = found[f'reranker_latency_seconds_sum{{part="{part}"}}']
                assert summed == pytest.approx(sum(a.milliseconds[part] for a in answers) / 1000)

    run(body)


def test_the_service_tells_what_its_cache_found() -> None:
    checkpoint = Checkpoint("tiny", tiny_model(TOKENIZER), TOKENIZER, Settings(layout="blocks"))
    reranker = Reranker(checkpoint, cache=PassageCache(1 << 20))

    async def body() -> None:
        service = Service(ServeSettings(), load=lambda *_: reranker)
        await service.start()
        try:
            assert isinstance(service.metrics, PrometheusMetrics)
            for query in ("which?", "what?"):
                await service.rerank(request(4, query))
            found = values(service.metrics)
            assert found['reranker_cache_passages_total{where="computed"}'] == 4
            assert found['reranker_cache_passages_total{where="memory"}'] == 4
            assert found["reranker_cache_tokens_saved_total"] > 4
            assert 0 < found["reranker_cache_bytes"] <= 1 << 20
        finally:
            await service.stop(10.0)

    run(body)
