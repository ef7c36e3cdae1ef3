"""Sources of windows, as a recipe names them: files of rows, and judged collections."""

import hashlib
import json
import logging
from collections.abc import Iterator

import numpy as np

from reranker.collection import Collection
from reranker.errors import DataError
from training.ingredients import Data
from training.mixture import Source
from training.recipe import Recipe
from training.row import Row
from training.skips import RowError

log = logging.getLogger(__name__)


def open_source(data: Data, recipe: Recipe) -> Source:
    """The rows of one item of a recipe's data; what was left out is logged.

    Raises:
        DataError: for a file or collection that cannot be read, or gives no usable row.
    """
    if data.path is not None:
        source = Source.open(recipe.path(data.path), data.weight)
        log.info("%r", source.rows)
        return source
    from data.collections import load

    assert data.collection is not None, "data names a path or a collection"
    rows = list(judged_rows(load(data.collection, data.split), data.passages, recipe.seed))
    if not rows:
        raise DataError(f"{data.name} has no query with a relevant passage; choose another split")
    log.info("%s: %d rows", data.name, len(rows))
    text = "\n".join(json.dumps(row.as_dict()) for row in rows)
    return Source(rows, data.weight, hashlib.sha256(text.encode()).hexdigest())


def judged_rows(collection: Collection, passages: int, seed: int) -> Iterator[Row]:
    """One row a query: its relevant passages, the best first, then unjudged ones at random.

    At most half of a row is relevant. Queries without a relevant passage are left out.
    """
    ids = sorted(collection.passages)
    rng = np.random.default_rng(seed)
    for query in sorted(collection.queries):
        grades = collection.qrels.get(query, {})
        relevant = sorted((id_ for id_ in grades if grades[id_] > 0), key=lambda i: -grades[i])
        chosen = [id_ for id_ in relevant if id_ in collection.passages][: max(1, passages // 2)]
        drawn = (ids[place] for place in rng.permutation(len(ids))[: passages + len(grades)])
        others = [id_ for id_ in drawn if id_ not in grades][: passages - len(chosen)]
        labels = [*(float(grades[id_]) for id_ in chosen), *(0.0 for _ in others)]
        texts = tuple(collection.passages[id_] for id_ in (*chosen, *others))
        row = Row(collection.queries[query], texts, tuple(labels))
        try:
            row.check_trainable()
        except RowError:
            continue
        yield row
