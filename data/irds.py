"""Collections of ir_datasets (MacAvaney et al., 2021, arXiv 2103.02280)."""

from collections.abc import Iterator
from typing import Any

from data.judged import Judgment, assemble
from reranker.collection import Collection
from reranker.errors import DataError, MissingExtraError
from reranker.passage import Passage

REQUIRED = ("docs", "queries", "qrels")


def load_irds(name: str, split: str | None = None) -> Collection:
    """Load a data set with documents, queries and judgments; a split is the last part of its name.

    The whole corpus is read into memory.

    Raises:
        DataError: for a name that is unknown, incomplete or cannot be downloaded.
        MissingExtraError: where ir_datasets is not installed.
    """
    full = f"{name}/{split}" if split else name
    dataset = _dataset(full)
    if missing := [kind for kind in REQUIRED if not getattr(dataset, f"has_{kind}")()]:
        raise DataError(
            f"irds:{full} has no {' and no '.join(missing)}; name a subset that has, such as "
            f"irds:{full}/test (see https://ir-datasets.com)"
        )
    try:
        queries = {str(query.query_id): _query_text(query) for query in dataset.queries_iter()}
        return assemble(f"irds:{full}", _passages(dataset), queries, _judgments(dataset))
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"irds:{full} could not be read ({type(error).__name__}: {str(error)[:200]}). Check "
            "the connection; some data sets must be asked for and put in place by hand "
            "(see https://ir-datasets.com)."
        ) from error


def _passages(dataset: Any) -> Iterator[Passage]:
    for document in dataset.docs_iter():
        title = getattr(document, "title", None)
        text = getattr(document, "text", None) or document.default_text()
        yield Passage(text, str(document.doc_id), title or None)


def _judgments(dataset: Any) -> Iterator[Judgment]:
    for judgment in dataset.qrels_iter():
        yield str(judgment.query_id), str(judgment.doc_id), int(judgment.relevance)


def _query_text(query: Any) -> str:
    text: str = query.default_text() if hasattr(query, "default_text") else query.text
    return text


def _dataset(name: str) -> Any:
    try:
        import ir_datasets
    except ImportError as error:
        raise MissingExtraError("ir_datasets", "eval", "reading an irds: collection") from error
    try:
        return ir_datasets.load(name)
    except KeyError as error:
        raise DataError(
            f"ir_datasets knows no {name!r}; its names are at https://ir-datasets.com"
        ) from error
