"""Runs: what a retriever or a reranker returned for each query, in TREC's six columns."""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Overflow
from itertools import groupby
from pathlib import Path
from typing import IO

from reranker.errors import DataError
from reranker.files import reading, replacing

ScoredId = tuple[str, float]

# Six significant digits are what float32 and %.6g both keep apart. The smallest exponent leaves
# room below zero for the next score down, within float32's normal range.
_GRID = Context(prec=6, Emin=-30, Emax=37)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """For each query id, passage ids and scores, best first."""

    name: str
    rankings: Mapping[str, Sequence[ScoredId]]

    def __repr__(self) -> str:
        lines = sum(map(len, self.rankings.values()))
        return f"Run({self.name!r}, {len(self.rankings)} queries, {lines} lines)"

    def ids(self, query_id: str) -> list[str]:
        """The passage ids of a query, best first; none for a query that is not in the run."""
        return [id_ for id_, _ in self.rankings.get(query_id, ())]

    def top(self, depth: int) -> "Run":
        """The run cut to the best `depth` passages of each query."""
        return Run(self.name, {query: found[:depth] for query, found in self.rankings.items()})


@dataclass(frozen=True, slots=True)
class _Line:
    query: str
    passage: str
    rank: int
    score: float
    tag: str


def read_trec(path: str | Path) -> Run:
    """Read a run of `query Q0 passage rank score tag` lines; the file may be gzipped.

    The order is that of the scores, best first; equal scores keep the file's ranks, then its
    order. Of a passage that a query has twice the better line is kept, and the loss is logged.
    The run's name is the tag of its first line, or the file's name where it is empty.

    Raises:
        DataError: for a file or a line that cannot be read, with its number.
    """
    path = Path(path)
    by_query: dict[str, list[_Line]] = {}
    tag = ""
    for line in _lines(path):
        by_query.setdefault(line.query, []).append(line)
        tag = tag or line.tag
    rankings = {query: _ranking(lines) for query, lines in by_query.items()}
    _log_duplicates(path, by_query, rankings)
    return Run(tag or path.name, rankings)


def stream_trec(path: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Each query of a run with the ids of its passages, best first, as `read_trec` orders them.

    One query is held at a time, so that a run may be of any size.

    Raises:
        DataError: for a line that cannot be read, or a query whose lines do not stand together.
    """
    seen: set[str] = set()
    for query, lines in groupby(_lines(Path(path)), key=lambda line: line.query):
        if query in seen:
            raise DataError(
                f"{path}: the lines of query {query!r} do not stand together; sort the run by its "
                "first column, such as with sort -s -k1,1"
            )
        seen.add(query)
        yield query, [id_ for id_, _ in _ranking(list(lines))]


def write_trec(run: Run, target: str | Path | IO[str]) -> None:
    """Write a run in TREC format, so that every evaluator reads the order that it has.

    Evaluators sort by score and ignore the rank, so scores are written with six significant
    digits and, where that makes two meet, lowered just enough to decrease strictly. A path is
    replaced whole or not at all. A query without passages leaves no line.

    Raises:
        DataError: for a score that is not finite, an id with white space, or an id given twice.
    """
    if isinstance(target, str | Path):
        with replacing(Path(target)) as stream:
            stream.writelines(_formatted(run))
    else:
        target.writelines(_formatted(run))


def decreasing(scores: Iterable[float]) -> list[float]:
    """Scores rounded to six significant digits, lowered where needed to decrease strictly.

    The order of the list stands: a score above the one before it is lowered too.

    Raises:
        DataError: for a score that is not finite or beyond float32.
    """
    written: list[Decimal] = []
    for score in scores:
        rounded = _rounded(score)
        if written and rounded >= written[-1]:
            rounded = _GRID.next_minus(written[-1])
        written.append(rounded)
    return list(map(float, written))


def _rounded(score: float) -> Decimal:
    if not math.isfinite(score):
        raise DataError(f"a score of {score} cannot be written to a run; scores must be finite")
    try:
        return _GRID.create_decimal_from_float(score)
    except Overflow:
        raise DataError(f"a score of {score} is beyond float32, which evaluators use") from None


def _formatted(run: Run) -> list[str]:
    tag = "-".join(run.name.split()) or "run"
    lines: list[str] = []
    for query, ranking in run.rankings.items():
        _check_ids(query, ranking)
        scores = decreasing(score for _, score in ranking)
        lines += [
            f"{query} Q0 {id_} {rank} {score:.6g} {tag}\n"
            for rank, ((id_, _), score) in enumerate(zip(ranking, scores, strict=True), 1)
        ]
    return lines


def _check_ids(query: str, ranking: Sequence[ScoredId]) -> None:
    ids = [id_ for id_, _ in ranking]
    if len(set(ids)) < len(ids):
        repeated = next(id_ for place, id_ in enumerate(ids) if id_ in ids[:place])
        raise DataError(f"query {query!r} has passage {repeated!r} twice; a run has it once")
    for id_ in (query, *ids):
        if len(id_.split()) != 1 or id_ != id_.strip():
            raise DataError(
                f"id {id_!r} is empty or holds white space, which separates the columns of a "
                "TREC run; rename it"
            )


def _ranking(lines: list[_Line]) -> list[ScoredId]:
    """The lines of one query, best first and each passage once; sorting keeps the file's order."""
    best: dict[str, float] = {}
    for line in sorted(lines, key=lambda line: (-line.score, line.rank)):
        best.setdefault(line.passage, line.score)
    return list(best.items())


def _log_duplicates(
    path: Path, lines: Mapping[str, list[_Line]], rankings: Mapping[str, list[ScoredId]]
) -> None:
    if dropped := sum(len(lines[query]) - len(rankings[query]) for query in lines):
        _log.warning(
            "%s: %d repeated passage(s) dropped, the best line of each kept", path, dropped
        )


def _lines(path: Path) -> Iterable[_Line]:
    try:
        with reading(path) as stream:
            for number, line in enumerate(stream, 1):
                if columns := line.split():
                    yield _line(columns, f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a run ({error})") from error


def _line(columns: list[str], place: str) -> _Line:
    if len(columns) != 6:
        raise DataError(
            f"{place}: expected 6 columns (query Q0 passage rank score tag), found "
            f"{len(columns)}: {' '.join(columns)[:80]!r}"
        )
    query, _, passage, rank, score, tag = columns
    try:
        line = _Line(query, passage, int(rank), float(score), tag)
    except ValueError:
        raise DataError(
            f"{place}: expected a whole rank and a number as score, found {rank!r} and {score!r}"
        ) from None
    if not math.isfinite(line.score):
        raise DataError(f"{place}: the score must be finite, found {score!r}")
    return line
