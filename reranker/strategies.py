"""Strategies: generators that yield windows, are sent their scores and return an order.

A strategy knows how many candidates there are and nothing of models. It yields lists of
windows that may be scored together, each a tuple of places in the order that candidates
are given to it, and returns all places, best first. Within a window the higher score goes first,
and the order given breaks ties. Whatever the scores are, the order is a permutation.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial

from reranker.settings import Settings

Window = tuple[int, ...]
Scores = Sequence[float]
Strategy = Generator[list[Window], list[Scores], list[int]]


def sliding(candidates: int, *, window: int = 20, stride: int = 10, passes: int = 1) -> Strategy:
    """Windows from the last candidates up to the first, as in RankGPT (arXiv 2304.09542).

    Each window hands its best `window - stride` on to the next; a pass carries a relevant
    candidate from the bottom to the top.
    """
    order = list(range(candidates))
    for _ in range(passes):
        end = candidates
        while end > 0:
            start = max(0, end - window)
            order[start:end] = yield from _ranked(tuple(order[start:end]))
            end = end - stride if start else 0
    return order


def full(candidates: int) -> Strategy:
    """All candidates in one window, as in full ranking (arXiv 2412.14574)."""
    return (yield from _ranked(tuple(range(candidates)))) if candidates else []


def partition(candidates: int, *, window: int = 20) -> Strategy:
    """Parallel windows around a pivot, after TDPart (arXiv 2405.14589), in three rounds at most.

    The first window is ranked and its middle candidate becomes the pivot. All others are
    compared with it in windows that can share one forward pass. The best of those above it, as
    many as fill a window, are ranked once more; all others keep their distance to the pivot.
    """
    if candidates <= window:
        return (yield from full(candidates))
    first = tuple(range(window))
    [scores] = yield [first]
    pivot = ranked(first, scores)[max(1, window // 2) - 1]
    distance = _distances(first, scores, scores[pivot])
    rest = range(window, candidates)
    windows = [(pivot, *rest[i : i + window - 1]) for i in range(0, len(rest), window - 1)]
    for members, scores in zip(windows, (yield windows), strict=True):
        distance |= _distances(members[1:], scores[1:], scores[0])
    order = sorted(distance, key=distance.__getitem__)
    above = order[: order.index(pivot)]
    if all(place < window for place in above):
        return order
    best = yield from _ranked(tuple(sorted(above[:window])))
    return [*best, *order[len(best) :]]


def _distances(places: Sequence[int], scores: Scores, pivot: float) -> dict[int, tuple[float, int]]:
    """How far below the pivot each place is, and the place, which breaks ties."""
    pairs = zip(places, scores, strict=True)
    return {place: (pivot - score if score != pivot else 0.0, place) for place, score in pairs}


def _ranked(window: Window) -> Strategy:
    [scores] = yield [window]
    return ranked(window, scores)


def ranked(window: Sequence[int], scores: Scores) -> list[int]:
    """A window's places by falling score; the order of places breaks ties."""
    score = dict(zip(window, scores, strict=True))
    return sorted(window, key=lambda place: (-score[place], place))


def rearranged(strategy: Strategy, order: Sequence[int]) -> Strategy:
    """A strategy over candidates that are given to it in this order: their places, each once.

    Windows, ties and all follow that order; the places that come out are first-stage places.
    """
    try:
        windows = next(strategy)
        while True:
            moved = [tuple(order[place] for place in window) for window in windows]
            windows = strategy.send((yield moved))
    except StopIteration as stop:
        return [order[place] for place in stop.value]


def foreseen(strategy: Strategy) -> Iterator[Window]:
    """The windows that a strategy asks for where all scores are equal."""
    try:
        windows = next(strategy)
        while True:
            yield from windows
            windows = strategy.send([[0.0] * len(window) for window in windows])
    except StopIteration:
        return


def strategy_of(settings: Settings) -> Callable[[int], Strategy]:
    """The strategy that the settings name, as a function of the number of candidates."""
    match settings.strategy:
        case "full":
            return full
        case "partition":
            return partial(partition, window=settings.window)
    return partial(sliding, window=settings.window, stride=settings.stride, passes=settings.passes)
