"""Strategies: generators that yield windows, are sent their scores and return an order.

A strategy knows how many candidates there are and nothing of models. It yields lists of
windows that may be scored together, each a tuple of places in first-stage order, and returns
all places, best first. Within a window the higher score goes first, and the first stage's order
breaks ties. Whatever the scores are, the order is a permutation.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial

from reranker.errors import SettingsError
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
    """Parallel windows around a pivot, as in TDPart (arXiv 2405.14589).

    The first window is ranked and its middle candidate becomes the pivot. All others are
    compared with it in windows that can share one forward pass: those above it are ranked again
    with the first window's best, those below keep their distance to it.
    """
    return (yield from _partition(list(range(candidates)), window))


def _partition(order: list[int], window: int) -> Strategy:
    if len(order) <= window:
        return (yield from _ranked(tuple(order))) if order else []
    first = yield from _ranked(tuple(order[:window]))
    middle = max(1, window // 2) - 1
    above, pivot = first[:middle], first[middle]
    below = {place: (0.0, rank) for rank, place in enumerate(first[middle + 1 :])}
    rest = order[window:]
    windows = [(pivot, *rest[i : i + window - 1]) for i in range(0, len(rest), window - 1)]
    for members, scores in zip(windows, (yield windows), strict=True):
        for place, score in zip(members[1:], scores[1:], strict=True):
            if score > scores[0]:
                above.append(place)
            else:
                below[place] = (scores[0] - score if score < scores[0] else 0.0, place)
    best = above if len(above) == middle else (yield from _partition(sorted(above), window))
    return [*best, pivot, *sorted(below, key=below.__getitem__)]


def _ranked(window: Window) -> Strategy:
    [scores] = yield [window]
    return ranked(window, scores)


def ranked(window: Sequence[int], scores: Scores) -> list[int]:
    """A window's places by falling score; the first stage's order breaks ties."""
    score = dict(zip(window, scores, strict=True))
    return sorted(window, key=lambda place: (-score[place], place))


STRATEGIES = ("sliding", "full", "partition")


def strategy_of(settings: Settings) -> Callable[[int], Strategy]:
    """The strategy that the settings name, as a function of the number of candidates.

    Raises:
        SettingsError: for a name that is none.
    """
    match settings.strategy:
        case "sliding":
            return partial(
                sliding, window=settings.window, stride=settings.stride, passes=settings.passes
            )
        case "full":
            return full
        case "partition":
            return partial(partition, window=settings.window)
    raise SettingsError(
        f"unknown strategy {settings.strategy!r}; known are {', '.join(STRATEGIES)}"
    )
