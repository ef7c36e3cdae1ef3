"""The ranking: what a reranking returns, a sequence of ranked passages that explains itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from math import tanh
from typing import overload

from reranker.explanation import Explanation
from reranker.lockstep import Job, ScoredWindow
from reranker.passage import Passage
from reranker.run import Run, write_trec


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """One passage in its new place.

    `index` is its place among the candidates given (from 0), `rank` its new one (from 1), `score`
    its identifier logit: within one window, two scores' difference is the log odds of one against
    the other; over several windows, their logits aligned (see `reranker.scores`). `relevance` is
    the probability of being relevant, by a model trained to say so (`Settings.absolute`): it
    compares passages of different requests.
    """

    index: int
    id: str
    rank: int
    score: float
    passage: Passage
    relevance: float | None = None

    @property
    def text(self) -> str:
        """The passage's text as it was given."""
        return self.passage.text

    @property
    def title(self) -> str | None:
        """The passage's title, if it has one."""
        return self.passage.title


class Ranking(Sequence[RankedPassage]):
    """Ranked passages, best first; scores are finite and fall strictly.

    Behaves as a tuple of `RankedPassage`; `explain()` tells how it came about.
    """

    def __init__(
        self,
        query: str,
        passages: Sequence[RankedPassage],
        *,
        windows: Sequence[ScoredWindow] = (),
        candidates: int | None = None,
    ) -> None:
        self.query = query
        self._passages = tuple(passages)
        self._windows = tuple(windows)
        self._candidates = len(self._passages) if candidates is None else candidates

    @classmethod
    def of(
        cls, job: Job, query: str, passages: Sequence[Passage], *, top_k: int | None = None
    ) -> "Ranking":
        """The ranking that a job, done without an error, has found for its passages."""
        # Here, so that a command line's help need not wait for numpy.
        from reranker.scores import ranking_scores

        order = job.order or []
        scores = ranking_scores(order, [(w.candidates, w.logits) for w in job.windows])
        absolute = any(window.prompt.null_id is not None for window in job.windows)
        scored = list(zip(order, scores, strict=True))[:top_k]
        return cls.of_scores(query, passages, scored, absolute=absolute, windows=job.windows)

    @classmethod
    def of_scores(
        cls,
        query: str,
        passages: Sequence[Passage],
        scored: Iterable[tuple[int, float]],
        *,
        absolute: bool = False,
        windows: Sequence[ScoredWindow] = (),
    ) -> "Ranking":
        """The ranking of passages by `(place, score)`, best first; `absolute` ones are log odds."""
        ids = _ids(passages)
        ranked = [
            RankedPassage(
                place, ids[place], rank, score, passages[place], _odds(score) if absolute else None
            )
            for rank, (place, score) in enumerate(scored, start=1)
        ]
        return cls(query, ranked, windows=windows, candidates=len(passages))

    @overload
    def __getitem__(self, place: int) -> RankedPassage: ...
    @overload
    def __getitem__(self, place: slice) -> "tuple[RankedPassage, ...]": ...
    def __getitem__(self, place: int | slice) -> "RankedPassage | tuple[RankedPassage, ...]":
        return self._passages[place]

    def __len__(self) -> int:
        return len(self._passages)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ranking):
            return NotImplemented
        return self.query == other.query and self._passages == other._passages

    def __hash__(self) -> int:
        return hash((self.query, self._passages))

    def __repr__(self) -> str:
        best = f", best={self._passages[0].id!r}" if self._passages else ""
        return f"Ranking({_short(self.query, 40)!r}, passages={len(self)}{best})"

    def __str__(self) -> str:
        lines = [f"{_short(self.query, 78)}"]
        lines += [
            f"{p.rank:>4}  {p.score:>9.3f}  {_moved(p):>6}  {_short(p.text, 56)}"
            for p in self._passages
        ]
        return "\n".join(lines)

    def explain(self) -> Explanation:
        """How the ranking came about: windows, logits, tokens, cuts and milliseconds."""
        return Explanation(
            query=self.query,
            candidates=self._candidates,
            moves=tuple((p.index, p.rank) for p in self._passages),
            ids={p.index: p.id for p in self._passages},
            windows=self._windows,
        )

    def to_trec(self, query_id: str, *, tag: str = "reranker") -> str:
        """Lines of a TREC run: query id, Q0, passage id, rank, score, tag.

        A passage id that was given twice is written once, at its better rank, as the format
        demands.

        Raises:
            DataError: for ids that are empty or hold white space.
        """
        best: dict[str, float] = {}
        for passage in self._passages:
            best.setdefault(passage.id, passage.score)
        lines = StringIO()
        write_trec(Run(tag, {query_id: list(best.items())}), lines)
        return lines.getvalue()

    def to_corpus_ids(self) -> list[dict[str, int | float]]:
        """`[{"corpus_id": …, "score": …}]`, as sentence-transformers' cross-encoders return it."""
        return [{"corpus_id": p.index, "score": p.score} for p in self._passages]


def _odds(score: float) -> float:
    """The probability whose log odds are the score."""
    return 0.5 * (1.0 + tanh(0.5 * score))


def _ids(passages: Sequence[Passage]) -> list[str]:
    """Each passage's own id, or else its place, marked where another has that as its id."""
    given = {passage.id for passage in passages}
    places = (f"#{place}" if str(place) in given else str(place) for place in range(len(passages)))
    return [p.id or place for p, place in zip(passages, places, strict=True)]


def _moved(passage: RankedPassage) -> str:
    """Places gained or lost against the first stage: ▲3, ▼1, or =."""
    gain = passage.index + 1 - passage.rank
    return f"▲{gain}" if gain > 0 else f"▼{-gain}" if gain < 0 else "="


def _short(text: str, width: int) -> str:
    """One printable line of at most `width` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 8 * width]).split())
    return line if len(line) <= width else line[: width - 1] + "…"
