"""Decoys: passages that repeat a query and do not answer it, so that repeating it wins nothing.

Whoever writes a passage to be found writes into it what is asked for. A model that scores by how
likely the query is after the passage believes it, until it has been shown otherwise.
"""

from dataclasses import replace

import numpy as np

from training.row import Row

# A query further back may be cut off.
_WORDS = 30


def with_decoy(row: Row, rng: np.random.Generator) -> Row:
    """A row one of whose queries is written into a passage that is among the worst for it.

    Labels stay as they are. A row whose query, once drawn, prefers no passage stays whole.
    """
    asked = [(row.query, row.labels()), *((other.query, other.relevance) for other in row.others)]
    query, labels = asked[int(rng.integers(len(asked)))]
    worst = [place for place, label in enumerate(labels) if label == min(labels)]
    if len(worst) == len(labels):
        return row
    place = worst[int(rng.integers(len(worst)))]
    passages = list(row.passages)
    passages[place] = replace(passages[place], text=_written(query, passages[place].text, rng))
    return replace(row, passages=tuple(passages))


def _written(query: str, text: str, rng: np.random.Generator) -> str:
    words = text.split(" ")
    before = int(rng.integers(min(len(words), _WORDS) + 1))
    return " ".join([*words[:before], query, *words[before:]])
