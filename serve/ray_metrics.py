"""Metrics of a replica, told to Ray too, which gathers those of every replica of a cluster."""

from collections.abc import Callable, Mapping

from ray.serve.metrics import Counter, Gauge, Histogram

from reranker.passage_cache import CacheStatistics
from serve.errors import Refusal
from serve.metrics import FILL, KEPT, SECONDS, PrometheusMetrics


class RayMetrics(PrometheusMetrics):
    """The service's metrics under the same names; Ray puts `ray_` before them.

    `depth` gives the windows and tokens in the queue.
    """

    def __init__(self) -> None:
        super().__init__()
        self.depth: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self._ray_queued = (Gauge("reranker_queue_windows"), Gauge("reranker_queue_tokens"))
        self._ray_read = (Counter("reranker_windows"), Counter("reranker_tokens"))
        self._ray_fill = Histogram("reranker_batch_fill", boundaries=list(FILL))
        self._ray_passages = Counter("reranker_cache_passages", tag_keys=("where",))
        self._ray_saved = Counter("reranker_cache_tokens_saved")
        self._ray_held = Gauge("reranker_cache_bytes")
        self._ray_requests = Counter("reranker_requests", tag_keys=("outcome",))
        self._ray_latency = Histogram(
            "reranker_latency_seconds", boundaries=list(SECONDS), tag_keys=("part",)
        )

    def watch(self, depth: Callable[[], tuple[int, int]]) -> None:
        """Ask `depth` for the windows and tokens in the queue whenever they are read."""
        super().watch(depth)
        self.depth = depth

    def passed(self, windows: int, tokens: int, batch_tokens: int) -> None:
        """A pass was read, of a budget of `batch_tokens`."""
        super().passed(windows, tokens, batch_tokens)
        for counter, value in zip(self._ray_read, (windows, tokens), strict=True):
            counter.inc(value)
        self._ray_fill.observe(tokens / batch_tokens)
        self._tell_depth()

    def kept(self, done: CacheStatistics, held: int) -> None:
        """A passage cache did this, and holds so many bytes in memory now."""
        super().kept(done, held)
        # Ray refuses to count by nothing.
        for where in KEPT:
            if count := getattr(done, where):
                self._ray_passages.inc(count, tags={"where": where})
        if done.tokens_saved:
            self._ray_saved.inc(done.tokens_saved)
        self._ray_held.set(held)

    def answered(self, milliseconds: Mapping[str, float]) -> None:
        """A request was answered, after these parts of time."""
        super().answered(milliseconds)
        self._ray_requests.inc(tags={"outcome": "ok"})
        for part, value in milliseconds.items():
            self._ray_latency.observe(value / 1000, tags={"part": part})
        self._tell_depth()

    def refused(self, refusal: Refusal) -> None:
        """A request was refused, by the service or before it came there."""
        super().refused(refusal)
        self._ray_requests.inc(tags={"outcome": refusal.name.lower()})
        self._tell_depth()

    def _tell_depth(self) -> None:
        for gauge, value in zip(self._ray_queued, self.depth(), strict=True):
            gauge.set(value)
