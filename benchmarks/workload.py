"""What the speed benchmark ranks: real passages of the embedded collection, the same every time."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from data.embedded.passages import read_passages
from reranker.errors import DataError
from reranker.passage import Passage

SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The sizes that are raced; passages are counts, the rest tokens and seconds.

    `window` is the large window and `window_tokens` what its passages are cut at; `mixed` is the
    fewest passages of a window among `batch` windows of all sizes; `candidates` are the fewest and
    most of a query; `short` and `short_tokens` are the small window's passages and their cut. A
    turn lasts `least_seconds` at least. `limited` says whether these sizes are large enough for
    the ratios to be held to limits.
    """

    window: int = 20
    window_tokens: int = 64
    passage_tokens: int = 128
    batch: int = 8
    mixed: int = 5
    candidates: tuple[int, int] = (20, 40)
    short: int = 5
    short_tokens: int = 20
    least_seconds: float = 0.2
    limited: bool = True


FULL = Workload()
QUICK = Workload(
    window=6,
    window_tokens=24,
    passage_tokens=48,
    batch=3,
    mixed=2,
    candidates=(6, 9),
    short=3,
    short_tokens=8,
    least_seconds=0.0,
    limited=False,
)


@dataclass(frozen=True, slots=True)
class CandidateList:
    """A query and its candidates, in first-stage order."""

    query: str
    passages: tuple[Passage, ...]


def draw(
    count: int, fewest: int, most: int, *, least_characters: int = 0, seed: int = SEED
) -> list[CandidateList]:
    """Queries with `fewest` to `most` candidates each, all numbers as likely.

    A query is the title of a passage; candidates are drawn at random from all passages of at
    least `least_characters`, so their lengths are mixed as they are in the collection.

    Raises:
        DataError: where the collection holds too few such passages.
    """
    passages = [p for p in read_passages().values() if len(p.text) >= least_characters]
    if len(passages) < most:
        raise DataError(
            f"the embedded collection holds {len(passages)} passages of at least "
            f"{least_characters} characters here, {most} are needed; use a Python with its sources"
        )
    random = Random(seed)
    return [_candidate_list(random, passages, random.randint(fewest, most)) for _ in range(count)]


def _candidate_list(random: Random, passages: Sequence[Passage], size: int) -> CandidateList:
    asked = random.choice(passages)
    return CandidateList(
        f"how to use {asked.title or asked.id}", tuple(random.sample(passages, size))
    )


def padding(lengths: Sequence[int]) -> float:
    """The share of padding in rows of these lengths, in tokens, padded to the longest."""
    return 1 - sum(lengths) / (len(lengths) * max(lengths))
