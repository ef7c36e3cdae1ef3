"""What was measured of servers under load, and the figures that follow from it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.serve.load import Answer, End

DEADLINE = 504
QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Overhead:
    """One client: seconds of the same requests by the server and by the call, `(rounds,)` each.

    `*_passes` are the parts of these that were forward passes.
    """

    server: str
    seconds: tuple[float, ...]
    passes: tuple[float, ...]
    call_seconds: tuple[float, ...]
    call_passes: tuple[float, ...]

    @property
    def difference(self) -> float:
        """The median of the server's time less the call's, in seconds."""
        pairs = zip(self.seconds, self.call_seconds, strict=True)
        return median(server - call for server, call in pairs)

    @property
    def beside(self) -> float:
        """The same of the time beside the passes, which noise in the passes leaves alone."""
        server = zip(self.seconds, self.passes, strict=True)
        call = zip(self.call_seconds, self.call_passes, strict=True)
        pairs = zip(server, call, strict=True)
        return median((a - passed) - (b - read) for (a, passed), (b, read) in pairs)


@dataclass(frozen=True, slots=True)
class Trial:
    """Requests that a server was sent in one go.

    Args:
        server: its name.
        load: what was offered, over the capacity of one request at a time; None in closed loop.
        answers: what became of them.
        patience: seconds after which an answer is of no use.
        span: seconds that requests were sent for, at least.
        recovered: seconds that a request took which was sent when the last of them had ended.
    """

    server: str
    load: float | None
    answers: tuple[Answer, ...]
    patience: float
    span: float = 0.0
    recovered: float | None = None

    @property
    def seconds(self) -> float:
        """From the first request to the last answer in time, and the span at least."""
        return max([self.span, *(each.due + each.seconds for each in self.in_time)])

    @property
    def in_time(self) -> list[Answer]:
        """What was ranked while its client was still there."""
        return [
            each
            for each in self.answers
            if each.end is End.ANSWERED and each.seconds <= self.patience
        ]

    @property
    def throughput(self) -> float:
        """Answers in time a second."""
        return len(self.in_time) / self.seconds if self.in_time else 0.0

    @property
    def token_throughput(self) -> float:
        """Tokens a second of the answers in time."""
        tokens = sum(each.ask.tokens for each in self.in_time)
        return tokens / self.seconds if self.in_time else 0.0

    @property
    def ends(self) -> Counter[End]:
        """How many requests had which end; ranked too late is as good as left."""
        ends = Counter(each.end for each in self.answers)
        late = ends[End.ANSWERED] - len(self.in_time)
        return ends + Counter({End.LEFT: late}) - Counter({End.ANSWERED: late})

    @property
    def statuses(self) -> Counter[int]:
        """How many requests had which HTTP status; 0 without one."""
        return Counter(each.status for each in self.answers)

    @property
    def lag(self) -> float:
        """The most that the generator was late, in seconds."""
        return max((each.lag for each in self.answers), default=0.0)

    def latencies(self, kind: str) -> list[float]:
        """Seconds of all requests of a kind that were not refused, infinite where none was in time.

        A refusal comes at once and says when to come again: it is counted, and is no latency. That
        the deadline has passed comes late, and is one.
        """
        kept = {id(each) for each in self.in_time}
        return [
            each.seconds if id(each) in kept else math.inf
            for each in self.answers
            if each.ask.kind == kind and (each.end is not End.REFUSED or each.status == DEADLINE)
        ]


@dataclass(frozen=True, slots=True)
class Overload:
    """A trial beyond capacity, and the server before, during and after it.

    Args:
        trial: what was offered and answered.
        closed: the same server with clients that never wait, which shows its capacity.
        memory: bytes of its processes, from before the trial to its end.
        before: seconds of requests to the idle server.
        after: seconds of the same request, first sent 5 s after the last arrival.
        later: the same, first sent 5 s after the last request had ended.
    """

    trial: Trial
    closed: Trial
    memory: tuple[int, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    later: tuple[float, ...]

    @property
    def kept(self) -> float:
        """Answers a second over the capacity."""
        return self.trial.throughput / self.closed.throughput

    @property
    def tokens_kept(self) -> float:
        """Tokens a second over the capacity: lower, where long requests give way to short ones."""
        return self.trial.token_throughput / self.closed.token_throughput

    @property
    def growth(self) -> float:
        """The most memory over that before."""
        return max(self.memory) / self.memory[0]


def quantiles(seconds: Sequence[float]) -> tuple[float, ...]:
    """The 50th, 95th and 99th percentile (the nearest rank, so that infinity stays it)."""
    if not seconds:
        return tuple(math.nan for _ in QUANTILES)
    ordered = sorted(seconds)
    return tuple(ordered[max(0, math.ceil(q * len(ordered)) - 1)] for q in QUANTILES)


def pooled(trials: Sequence[Trial], kind: str) -> list[float]:
    """The latencies of a kind over several trials."""
    return [seconds for trial in trials for seconds in trial.latencies(kind)]


def ratios(trials: Sequence[Trial], against: Sequence[Trial]) -> tuple[float, ...]:
    """Throughput over that of the trials beside them, `(rounds,)`; infinite over none."""
    pairs = zip(trials, against, strict=True)
    return tuple(
        mine.throughput / theirs.throughput if theirs.throughput else math.inf
        for mine, theirs in pairs
    )


def of_server(trials: Sequence[Trial], server: str, load: float | None) -> list[Trial]:
    """The trials of one server at one load, in order."""
    return [each for each in trials if (each.server, each.load) == (server, load)]


def ends_of(trials: Sequence[Trial]) -> Mapping[End, int]:
    """How many requests of several trials had which end."""
    return sum((trial.ends for trial in trials), Counter[End]())
