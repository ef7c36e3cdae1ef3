from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reranker.collection import Collection
from reranker.passage import Passage


@dataclass(frozen=True)
class Explained:
    windows: tuple[int, ...]
    tokens: int


@dataclass(frozen=True)
class Item:
    id: str
    score: float


class Items(list[Item]):
    def explain(self) -> Explained:
        return Explained((0, 0), 10 * len(self))


@dataclass
class FakeRanker:
    """Ranks by the number that a passage's text is, and keeps what it was asked."""

    asked: list[str] = field(default_factory=list)
    fail_after: int | None = None

    def rank_many(
        self, queries: list[str], passages: list[list[Passage]], *, progress: bool = True
    ) -> Sequence[Items]:
        assert not progress
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise KeyboardInterrupt
        self.asked += queries
        return [self.ranked(candidates) for candidates in passages]

    def ranked(self, candidates: list[Passage]) -> Items:
        items = [Item(str(passage.id), float(passage.text)) for passage in candidates]
        return Items(sorted(items, key=lambda item: -item.score))


class PlaceRanker(FakeRanker):
    """Keeps the order given: as sensitive to it as can be."""

    def ranked(self, candidates: list[Passage]) -> Items:
        return Items(
            Item(str(passage.id), -float(place)) for place, passage in enumerate(candidates)
        )


@pytest.fixture
def numbers() -> Collection:
    """Three queries over passages "1" to "4", whose text is their id."""
    passages = {str(n): Passage(str(n), str(n)) for n in range(1, 5)}
    qrels = {"q1": {"4": 1}, "q2": {"3": 2, "1": 1}, "q3": {"1": 1}}
    return Collection("numbers", passages, {q: f"text of {q}" for q in qrels}, qrels)


@pytest.fixture
def shared() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared"
    if not (folder / "runs" / "first_stage").is_dir():
        pytest.skip("needs the shared runs and collections beside the checkout")
    return folder
