"""Relevance judgments (qrels), in TREC's four columns or BEIR's three."""

from pathlib import Path

from reranker.errors import DataError
from reranker.files import reading

Qrels = dict[str, dict[str, int]]


def read_qrels(path: str | Path) -> Qrels:
    """Read judgments as query id → passage id → grade; the file may be gzipped.

    TREC: `query iteration passage grade`, any whitespace between. BEIR: `query passage grade`
    separated by tabs, usually under a header. A pair judged twice keeps its last grade.

    Raises:
        DataError: for a file or a line that cannot be read, with its number.
    """
    path = Path(path)
    qrels: Qrels = {}
    try:
        with reading(path) as stream:
            for number, line in enumerate(stream, 1):
                columns = line.split()
                if columns and not _is_header(number, columns):
                    query, passage, grade = _judgment(columns, f"{path}:{number}")
                    qrels.setdefault(query, {})[passage] = grade
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as judgments ({error})") from error
    return qrels


def _is_header(number: int, columns: list[str]) -> bool:
    """Whether this is BEIR's first line, `query-id corpus-id score`, or one in its place."""
    return number == 1 and len(columns) == 3 and _grade(columns[-1]) is None


def _judgment(columns: list[str], place: str) -> tuple[str, str, int]:
    if len(columns) not in (3, 4):
        raise DataError(
            f"{place}: expected 4 columns (query iteration passage grade) or 3 (query passage "
            f"grade), found {len(columns)}: {' '.join(columns)[:80]!r}"
        )
    if (grade := _grade(columns[-1])) is None:
        raise DataError(f"{place}: the grade must be a whole number, found {columns[-1]!r}")
    return columns[0], columns[-2], grade


def _grade(text: str) -> int | None:
    """A grade as a whole number; BEIR files sometimes write 1.0 for 1."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() else None
