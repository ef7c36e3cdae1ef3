"""Passages that repeat their query, read without the repetition.

A query put into a passage lifts it in neural rankers and lexical ones alike (content injection),
and most of all where the query's likelihood is part of the scores: no words are likelier than those
that have just been read.
"""

import re
from collections.abc import Callable
from functools import partial
from itertools import islice

# Fewer words are a term, which a passage about it holds as a matter of course.
LEAST_WORDS = 3
# A mark for what was taken out: a word, so that what stood around it is no new repetition.
TAKEN_OUT = "_"
# More than is read of a passage.
_MOST_WORDS = 512
_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text, the first 512 of them."""
    return [match.group() for match in islice(_WORD.finditer(text), _MOST_WORDS)]


def repetition(query: str) -> re.Pattern[str]:
    """What finds the query's words, one after another, whatever stands between them."""
    # Possessive: what stands between is never read twice, however long it is.
    inner = r"\W++".join(map(re.escape, words(query)))
    return re.compile(rf"(?<!\w){inner}(?!\w)", re.IGNORECASE)


def without(query: str) -> Callable[[str], str]:
    """What takes the query's repetitions out of a text; a query of fewer than 3 words stays."""
    if len(words(query)) < LEAST_WORDS:
        return str
    return partial(repetition(query).sub, TAKEN_OUT)
