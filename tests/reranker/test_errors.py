import pickle

import pytest

from reranker.errors import (
    DataError,
    IdentifierError,
    MissingExtraError,
    NonFiniteLogitsError,
    RerankerError,
)


@pytest.mark.parametrize(
    "error",
    [
        DataError("found this; expected that"),
        IdentifierError("x"),
        MissingExtraError("bm25s", "bm25", "BM25"),
        NonFiniteLogitsError([1, 3]),
    ],
)
def test_errors_travel_between_processes(error: RerankerError) -> None:
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is type(error)
    assert str(there) == str(error)


def test_a_missing_extra_says_what_to_install() -> None:
    error = MissingExtraError("bm25s", "bm25", "BM25")
    assert "pip install 'reranker[bm25]'" in str(error)
    assert isinstance(error, ImportError)
