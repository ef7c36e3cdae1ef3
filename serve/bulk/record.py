"""A record: what became of one query."""

import json
from dataclasses import asdict, dataclass

from reranker.errors import RerankerError
from reranker.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Record:
    """A query's lines of the run, best passage first, or the error that left it without any."""

    query: str
    run: str = ""
    error: str | None = None

    @classmethod
    def of(cls, query: str, outcome: Ranking | Exception) -> "Record":
        """The record of a ranking, or of the error in its place."""
        if isinstance(outcome, Ranking):
            return cls(query, run=outcome.to_trec(query))
        return cls(query, error=_told(outcome))

    @classmethod
    def parse(cls, line: str) -> "Record":
        """What `line` wrote."""
        return cls(**json.loads(line))

    def line(self) -> str:
        """The record as a line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    def failure(self) -> str:
        """The query's id and its error as a line of JSON."""
        return json.dumps({"query": self.query, "error": self.error}) + "\n"


def _told(error: Exception) -> str:
    """Messages of this project hold no text of a query or passage; others' may."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, RerankerError) else name
