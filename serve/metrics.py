"""Metrics of one replica, as Prometheus reads them."""

from collections.abc import Callable, Mapping
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from reranker.passage_cache import CacheStatistics
from serve.errors import Refusal

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
KEPT = ("memory", "disk", "computed", "damaged")
FILL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Metrics(Protocol):
    """What the service counts."""

    def watch(self, depth: Callable[[], tuple[int, int]]) -> None:
        """Ask `depth` for the windows and tokens in the queue whenever they are read."""

    def passed(self, windows: int, tokens: int, batch_tokens: int) -> None:
        """A pass was read, of a budget of `batch_tokens`."""

    def kept(self, done: CacheStatistics, held: int) -> None:
        """A passage cache did this, and holds so many bytes in memory now."""

    def answered(self, milliseconds: Mapping[str, float]) -> None:
        """A request was answered, after these parts of time."""

    def refused(self, refusal: Refusal) -> None:
        """A request was refused, by the service or before it came there."""

    def render(self) -> bytes:
        """The metrics, in the format named by `content_type`."""

    @property
    def content_type(self) -> str:
        """The media type of `render`."""


class PrometheusMetrics:
    """Metrics in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        self._queued_windows = Gauge(
            "reranker_queue_windows", "Windows that wait for a pass", registry=own
        )
        self._queued_tokens = Gauge(
            "reranker_queue_tokens", "Tokens that wait for a pass", registry=own
        )
        self._windows = Counter("reranker_windows", "Windows read", registry=own)
        self._tokens = Counter("reranker_tokens", "Tokens read", registry=own)
        self._fill = Histogram(
            "reranker_batch_fill", "Tokens of a pass over its budget", buckets=FILL, registry=own
        )
        self._passages = Counter(
            "reranker_cache_passages",
            "Passages looked for in the cache, by where they were; those damaged were computed",
            ["where"],
            registry=own,
        )
        self._saved = Counter(
            "reranker_cache_tokens_saved", "Tokens that no pass had to read", registry=own
        )
        self._held = Gauge("reranker_cache_bytes", "What is kept in memory", registry=own)
        self._latency = Histogram(
            "reranker_latency_seconds",
            "Parts of an answered request's time",
            ["part"],
            buckets=SECONDS,
            registry=own,
        )
        self._requests = Counter(
            "reranker_requests",
            "Requests by outcome: ok, or why they were refused",
            ["outcome"],
            registry=own,
        )

    def watch(self, depth: Callable[[], tuple[int, int]]) -> None:
        """Ask `depth` for the windows and tokens in the queue whenever they are read."""
        self._queued_windows.set_function(lambda: depth()[0])
        self._queued_tokens.set_function(lambda: depth()[1])

    def passed(self, windows: int, tokens: int, batch_tokens: int) -> None:
        """A pass was read, of a budget of `batch_tokens`."""
        self._windows.inc(windows)
        self._tokens.inc(tokens)
        self._fill.observe(tokens / batch_tokens)

    def kept(self, done: CacheStatistics, held: int) -> None:
        """A passage cache did this, and holds so many bytes in memory now."""
        for where in KEPT:
            self._passages.labels(where).inc(getattr(done, where))
        self._saved.inc(done.tokens_saved)
        self._held.set(held)

    def answered(self, milliseconds: Mapping[str, float]) -> None:
        """A request was answered, after these parts of time."""
        self._requests.labels("ok").inc()
        for part, value in milliseconds.items():
            self._latency.labels(part).observe(value / 1000)

    def refused(self, refusal: Refusal) -> None:
        """A request was refused, by the service or before it came there."""
        self._requests.labels(refusal.name.lower()).inc()

    def render(self) -> bytes:
        """The metrics, in the format named by `content_type`."""
        return generate_latest(self._registry)
