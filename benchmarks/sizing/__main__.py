"""Sizing: from queries a second, candidates and hardware to replicas, queues and cost.

A model in three steps, each of which `docs/sizing.md` explains and `benchmarks.serve` checks:

- what a query reads: windows and tokens, by the strategies themselves;
- how long that takes: tokens over tokens a second, measured or estimated from the arithmetic;
- how many replicas keep the wait short: Erlang's C with Allen and Cunneen's correction (M/G/c).
"""

import math
from dataclasses import dataclass, replace

from benchmarks.queueing import mean_wait, slow_wait
from reranker.errors import InputError
from reranker.settings import Settings
from reranker.strategies import foreseen, strategy_of

# Tokens that the layouts put around a passage, by SmolLM2's tokenizer.
AROUND_PASSAGE = 4
# Of layout `blocks`, those of a kept passage that are read anew for every query: ` [A]`.
KEPT_TAIL = 3
# Of layout `cross`, those that ask a passage the query, beside the query and the identifier's.
ASKING = 3
_MOST_REPLICAS = 10_000_000
_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of the service.

    Args:
        queries_per_second: on average, at the busiest time.
        candidates: of a query.
        passage_tokens: of a passage, on average, after it is cut.
        query_tokens: of a query with its instruction.
        strategy, window, stride: as in `Settings`.
        kept: the share of candidates that a passage cache holds, 0 to 1.
        asks: whether every passage is asked the query, as in layout `cross`.
        variation: the variance of queries' reading times over their squared mean; 0 where all are
            alike, 1 where they spread as an exponential.
    """

    queries_per_second: float
    candidates: int
    passage_tokens: float = 100.0
    query_tokens: float = 12.0
    strategy: str = "full"
    window: int = 20
    stride: int = 10
    kept: float = 0.0
    asks: bool = False
    variation: float = 0.25

    def __post_init__(self) -> None:
        if not (self.queries_per_second > 0 and self.candidates >= 1 and 0 <= self.kept <= 1):
            raise InputError(
                "a demand has more than 0 queries a second, a candidate at least and a share of "
                f"kept passages from 0 to 1; found {self}"
            )


@dataclass(frozen=True, slots=True)
class Reading:
    """What one query costs: windows, tokens through the model, tokens taken from the cache."""

    windows: int
    tokens: float
    kept_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A decoder, by its sizes.

    Args:
        parameters: of its layers, without embeddings and head.
        layers: how many.
        width: of attention: heads times their size.
        kept_width: heads of keys times their size.
    """

    name: str
    parameters: float
    layers: int
    width: int
    kept_width: int

    def operations(self, window_tokens: float) -> float:
        """Floating-point operations a token in windows of that many tokens.

        Two a parameter, and attention's two products with the half of the window before it.
        """
        return 2 * self.parameters + 2 * self.layers * self.width * window_tokens

    @property
    def kept_bytes(self) -> int:
        """Bytes of keys and values a token, in 16 bits."""
        return 2 * self.layers * self.kept_width * 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One replica's share of a machine.

    Args:
        operations: floating-point operations a second, at their peak in the type that is used.
        used: the share of them that long packed passes reach.
        moved: bytes a second at which kept keys and values come to the model.
        dollars: an hour.
        measured: whether `operations * used` was measured here, and is not an estimate.
        front: seconds of Python a request (HTTP, JSON, tokens), which one process does by itself.
    """

    name: str
    operations: float
    used: float
    moved: float
    dollars: float
    measured: bool = False
    front: float = 0.005

    def with_tokens_per_second(
        self, speed: float, model: Model, window_tokens: float
    ) -> "Hardware":
        """This hardware as measured: so many tokens a second of a model, in such windows."""
        operations = speed * model.operations(window_tokens)
        return replace(self, used=operations / self.operations, measured=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a demand takes.

    Args:
        reading: of one query.
        engine: seconds of one query's passes on an idle replica.
        replicas: how many processes.
        machines: GPUs or cores under them; several replicas share one that they do not fill.
        busy: the share of time that each replica is busy.
        wait: seconds in the queue, on average.
        slow: the 95th percentile of wait and engine together, in seconds.
        queue: windows that wait or are read, a replica, on average.
        dollars: a million queries.
    """

    reading: Reading
    engine: float
    replicas: int
    machines: int
    busy: float
    wait: float
    slow: float
    queue: float
    dollars: float


def reading(demand: Demand) -> Reading:
    """What one query reads, by its strategy."""
    settings = Settings(strategy=demand.strategy, window=demand.window, stride=demand.stride)
    windows = [len(window) for window in foreseen(strategy_of(settings)(demand.candidates))]
    places = sum(windows)
    kept = places * demand.kept
    asking = demand.query_tokens + ASKING if demand.asks else 0
    around = KEPT_TAIL if demand.asks else AROUND_PASSAGE
    tokens = (
        len(windows) * demand.query_tokens
        + (places - kept) * (demand.passage_tokens + around)
        + kept * KEPT_TAIL
        + places * asking
    )
    return Reading(len(windows), tokens, kept * demand.passage_tokens)


def engine_seconds(demand: Demand, model: Model, hardware: Hardware) -> float:
    """Seconds of one query's passes: the arithmetic, and the cache's keys and values."""
    found = reading(demand)
    # A token reads what is kept as well as what is new.
    window_tokens = (found.tokens + found.kept_tokens) / found.windows
    # Of kept passages alone, a token has all before it, and not the half.
    seen = window_tokens * (1 + found.kept_tokens / (found.tokens + found.kept_tokens))
    computing = found.tokens * model.operations(seen) / (hardware.operations * hardware.used)
    return computing + found.kept_tokens * model.kept_bytes / hardware.moved


def plan(
    demand: Demand,
    model: Model,
    hardware: Hardware,
    *,
    slowest: float = 1.0,
    busiest: float = 0.7,
) -> Plan:
    """The fewest replicas that keep the 95th percentile and stay below a share of busy time.

    Args:
        demand: what is asked.
        model: what reads.
        hardware: of each replica.
        slowest: the 95th percentile, in seconds, beyond what one query takes by itself.
        busiest: the largest share of time that a replica may be busy.
    """
    engine = engine_seconds(demand, model, hardware)
    # Reading and Python overlap, in threads of one process: the slower one bounds a replica.
    held = max(engine, hardware.front)
    offered = demand.queries_per_second * held
    least = max(1, math.ceil(offered / busiest))
    replicas = _fewest(demand, held, least, slowest)
    wait = mean_wait(demand.queries_per_second, held, replicas, demand.variation)
    found = reading(demand)
    spent = engine + hardware.front
    machines = math.ceil(replicas * engine / held)
    return Plan(
        reading=found,
        engine=engine,
        replicas=replicas,
        machines=machines,
        busy=offered / replicas,
        wait=wait,
        slow=spent + slow_wait(demand.queries_per_second, held, replicas, demand.variation),
        queue=demand.queries_per_second * (wait + spent) * found.windows / replicas,
        dollars=machines * hardware.dollars / (demand.queries_per_second * _HOUR) * 1e6,
    )


def _fewest(demand: Demand, held: float, least: int, slowest: float) -> int:
    """The first number of replicas from `least` whose 95th percentile of waits is short enough."""

    def short(replicas: int) -> bool:
        found = slow_wait(demand.queries_per_second, held, replicas, demand.variation)
        return found <= slowest

    high = least
    while not short(high):
        high *= 2
        if high > _MOST_REPLICAS:
            raise InputError(f"more than {_MOST_REPLICAS:,} replicas; check the demand")
    low = least
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if short(middle) else (middle + 1, high)
    return low
