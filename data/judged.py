"""A collection put together from rows that some other library read."""

from collections.abc import Iterable, Mapping

from reranker.collection import Collection
from reranker.errors import DataError
from reranker.passage import Passage

Judgment = tuple[str, str, int]


def assemble(
    name: str,
    passages: Iterable[Passage],
    queries: Mapping[str, str],
    judgments: Iterable[Judgment],
) -> Collection:
    """A collection of the judged queries; judgments are (query id, passage id, grade).

    Raises:
        DataError: where no query is judged.
    """
    qrels: dict[str, dict[str, int]] = {}
    for query, passage, grade in judgments:
        qrels.setdefault(query, {})[passage] = grade
    judged = {id_: text for id_, text in queries.items() if id_ in qrels}
    if not judged:
        raise DataError(
            f"{name}: none of its {len(queries)} queries is among the {len(qrels)} judged ones; "
            "are the judgments of another split or configuration?"
        )
    by_id = {passage.id: passage for passage in passages if passage.id is not None}
    return Collection(name, by_id, judged, qrels)
