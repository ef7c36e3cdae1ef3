"""What a recipe is made of: data, dev sets, LoRA and lengths."""

from dataclasses import dataclass

from reranker.errors import SettingsError
from training.window import Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Rows to train on: a file of them, or a collection's judgments with random negatives.

    `weight` is their share of the windows, as in `training.mixture.Source`. A collection gives a
    row for every query of a split, of at most `passages` passages.
    """

    path: str | None = None
    collection: str | None = None
    split: str | None = None
    passages: int = 20
    weight: float | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.collection is None):
            raise SettingsError("an item of data needs either 'path' or 'collection'")
        check_least(2, passages=self.passages)

    @property
    def name(self) -> str:
        """The path, or the collection and its split."""
        return self.path or f"{self.collection}/{self.split or 'test'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dev:
    """What a run is judged by: a file of rows, or a collection and a first stage over it.

    `first_stage` is as in `data.first_stage.retrieve`. At most `queries` queries are ranked, and
    `depth` candidates of each.
    """

    name: str
    rows: str | None = None
    collection: str | None = None
    split: str | None = None
    first_stage: str = "bm25"
    depth: int = 20
    queries: int | None = None

    def __post_init__(self) -> None:
        if (self.rows is None) == (self.collection is None):
            raise SettingsError(f"dev set {self.name!r} needs either 'rows' or 'collection'")
        check_least(2, depth=self.depth)
        check_least(1, queries=self.queries or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """LoRA (arXiv 2106.09685); `targets` are module names, or "all-linear".

    `start` is the folder of an adapter of the same rank and targets to go on from.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "all-linear"
    start: str | None = None

    def __post_init__(self) -> None:
        check_least(1, rank=self.rank)
        if not (0 <= self.dropout < 1 and self.alpha > 0):
            raise SettingsError(f"lora needs 0 <= dropout < 1 and alpha > 0, found {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Where passages are cut, in tokens: drawn as `Sizes` are, with a growing most."""

    least: int = 128
    most: int = 128
    growth: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.least <= self.most or self.growth < 0:
            raise SettingsError(f"lengths need 2 <= least <= most and growth >= 0, found {self}")

    def sizes(self) -> Sizes:
        """What draws them."""
        return Sizes(self.least, self.most, self.growth)


def check_least(least: int, **values: int) -> None:
    """Refuse a value below the least.

    Raises:
        SettingsError: naming it.
    """
    for name, value in values.items():
        if value < least:
            raise SettingsError(f"{name} must be at least {least}, found {value}")
