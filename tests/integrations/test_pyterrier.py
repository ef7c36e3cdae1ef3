import pytest

pytest.importorskip("pyterrier")

import pandas as pd
import pyterrier as pt

from reranker.integrations.pyterrier import RerankerTransformer
from tests.integrations.conftest import QUERY, TEXTS

OTHER = "another number?"


@pytest.fixture
def frame():
    """Two queries' candidates, interleaved, the first stage's order in their ranks."""
    rows = [
        (qid, query, f"d{n}", text, -float(n), n, f"{qid}-{n}")
        for n, text in enumerate(TEXTS)
        for qid, query in (("q2", QUERY), ("q1", OTHER))
    ]
    return pd.DataFrame(rows, columns=["qid", "query", "docno", "text", "score", "rank", "extra"])


def test_frames_are_reranked_and_left_as_they_were(ranker, frame, order, scores):
    before = frame.copy(deep=True)
    out = RerankerTransformer(ranker)(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert list(dict.fromkeys(out["qid"])) == ["q2", "q1"]
    first = out[out["qid"] == "q2"]
    assert list(first["docno"]) == [f"d{n}" for n in order]
    assert list(first["extra"]) == [f"q2-{n}" for n in order]
    assert list(first["score"]) == scores
    second = [passage.index for passage in ranker.rank(OTHER, TEXTS)]
    assert list(out[out["qid"] == "q1"]["docno"]) == [f"d{n}" for n in second]
    assert list(out["rank"]) == 2 * list(range(len(TEXTS)))


@pytest.mark.parametrize("dropped", [["rank"], ["rank", "score"]])
def test_the_first_stages_order(client, frame, dropped):
    asked = []

    class Listening:
        def rank(self, query, passages, **options):
            asked.append([each["id"] for each in passages])
            return client.rank(query, passages, **options)

    turned = frame[::-1]
    RerankerTransformer(Listening())(turned)
    RerankerTransformer(Listening())(turned.drop(columns=dropped))
    rising = [f"d{n}" for n in range(len(TEXTS))]
    assert asked[:2] == [rising, rising]
    assert asked[2:] == 2 * [rising if "score" not in dropped else rising[::-1]]


def test_a_pipeline(ranker, frame, order):
    pipeline = pt.Transformer.from_df(frame) >> RerankerTransformer(ranker, top_k=3) % 2
    out = pipeline(pd.DataFrame([("q2", QUERY)], columns=["qid", "query"]))
    assert list(out["docno"]) == [f"d{n}" for n in order[:2]]
    assert list(out["rank"]) == [0, 1]


def test_empty_frames_and_missing_columns(client, frame):
    out = RerankerTransformer(client)(frame[:0].drop(columns=["score", "rank"]))
    assert out.empty
    assert {"score", "rank", "docno", "extra"} <= set(out.columns)
    with pytest.raises(pt.validate.InputValidationError, match="body"):
        RerankerTransformer(client, text="body")(frame)
    with pytest.raises(ValueError, match="expected a Reranker"):
        RerankerTransformer(3)
