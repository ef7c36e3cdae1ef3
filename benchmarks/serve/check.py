"""The sizing model, checked: what it predicts of the servers under load, and what was measured."""

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median, pvariance

from benchmarks.queueing import mean_wait
from benchmarks.serve.figures import Trial, of_server
from benchmarks.serve.load_mix import SHORT
from benchmarks.serve.process import PLAIN


def checks(closed: Sequence[Trial], opened: Sequence[Trial]) -> list[list[str]]:
    """Rows of what, predicted, measured; theory's queue is that of one request at a time.

    The speed is that of the plain server in closed loop, so that nothing is fitted to the rest.
    """
    base = of_server(closed, PLAIN, None)
    if not base:
        return []
    speed = median(each.token_throughput for each in base)
    rows: list[list[str]] = []
    for load in dict.fromkeys(each.load for each in opened if each.load is not None):
        rows += _rows(load, [each for each in opened if each.load == load], speed)
    return rows


def _rows(load: float, trials: Sequence[Trial], speed: float) -> Iterator[list[str]]:
    """Predictions from the requests' tokens, the times they came at, and the speed."""
    tokens = [each.ask.tokens for trial in trials for each in trial.answers]
    if not tokens:
        return
    held, rate = fmean(tokens) / speed, len(tokens) / sum(trial.span for trial in trials)
    yield [f"share of time busy at {load:g}", f"{rate * held:.2f}", "-"]
    most = min(rate, 1 / held)
    yield [f"answers/s at {load:g}", f"{most:.3f}", _measured(trials, _throughput)]
    wait = mean_wait(rate, held, 1, pvariance(tokens) / fmean(tokens) ** 2)
    own = fmean(_own(trials, speed))
    told = _measured(trials, _short_seconds)
    yield [f"mean seconds of a short request at {load:g}", f"{own + wait:.2f}", told]


def _measured(trials: Sequence[Trial], figure: Callable[[Sequence[Trial]], str]) -> str:
    """A figure of every server."""
    servers = dict.fromkeys(trial.server for trial in trials)
    found = {name: [trial for trial in trials if trial.server == name] for name in servers}
    return ", ".join(f"{name} {figure(each)}" for name, each in found.items())


def _throughput(trials: Sequence[Trial]) -> str:
    return f"{fmean(trial.throughput for trial in trials):.3f}"


def _short_seconds(trials: Sequence[Trial]) -> str:
    found = [each.seconds for trial in trials for each in trial.in_time if each.ask.kind == SHORT]
    return f"{fmean(found):.2f}" if found else "-"


def _own(trials: Sequence[Trial], speed: float) -> list[float]:
    """Seconds that short requests take by themselves."""
    short = [each.ask for trial in trials for each in trial.answers if each.ask.kind == SHORT]
    return [ask.tokens / speed for ask in short] or [0.0]
