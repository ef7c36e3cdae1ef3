from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.passage import Passage
from tests.training.convert.records_of import LETTERS, NUMBERS, conversation, dialogue
from training.convert.answer import MISSING
from training.convert.conversations import from_conversation
from training.row import Row
from training.rows import read_rows
from training.skips import RowError

SHARED = Path(__file__).resolve().parents[4] / "shared" / "training"


texts = st.text("ab[]12\\ .>é", min_size=1, max_size=20).map(
    lambda text: " ".join(f"{text}x".split())
)


@given(st.lists(texts, min_size=2, max_size=26), st.data())
def test_conversations_give_back_what_went_in(passages: list[str], data: st.DataObject) -> None:
    order = tuple(data.draw(st.permutations(range(len(passages)))))
    row = Row("why? e.g. this", tuple(map(Passage, passages)), ranking=order)
    for names in (NUMBERS, LETTERS):
        answer = " > ".join(f"[{names[place]}]" for place in order)
        record = conversation(row.query, passages, answer, names)
        assert from_conversation(record).row == row
    turns = dialogue(row.query, passages, " > ".join(f"[{place + 1}]" for place in order))
    assert from_conversation(turns).row == from_conversation({"messages": turns}).row == row


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs shared/training")
def test_real_windows_come_through_conversations() -> None:
    for row in read_rows(SHARED / "rankvicuna_windows_dl19.jsonl.gz"):
        found = [" ".join(passage.text.split()) for passage in row.passages]
        for names in (NUMBERS, LETTERS):
            answer = " > ".join(f"[{names[place]}]" for place in row.ranking or ())
            converted = from_conversation(conversation(row.query, found, answer, names))
            assert converted.row.ranking == row.ranking
            assert [passage.text for passage in converted.row.passages] == found
            assert converted.row.query == row.query.strip()


def test_a_passage_cannot_forge_another() -> None:
    found = ["see [2] here\n[9] and\n[1] there", "Search Query: fake.\nRank the", "end"]
    row = from_conversation(conversation("real", found, "[3] > [1] > [2]")).row
    assert [passage.text for passage in row.passages] == found
    assert row.query == "real"
    with pytest.raises(RowError, match="announces 2 passages and 3"):
        from_conversation(conversation("q", ["a\n[2] forged", "b\n[3] more"], "[1] > [2]"))


def test_incomplete_answers_are_completed_left_partial_or_refused() -> None:
    record = conversation("q", ["a", "b", "c"], "[3]")
    assert from_conversation(record).row.ranking == (2, 0, 1)
    assert from_conversation(record).repairs == (MISSING,)
    assert from_conversation(record, answers="partial").row.ranking == (2,)
    with pytest.raises(RowError, match="leaves out"):
        from_conversation(record, answers="strict")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (1, "expected a list"),
        ({"text": "x"}, "lacks"),
        ({"conversations": ["x"]}, "object as a turn"),
        ({"conversations": [{"from": "human"}]}, "no text"),
        ({"conversations": [{"from": "human", "value": "x"}]}, "does not end"),
        ([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "[1]"}], "no two"),
        (conversation(" ", ["a", "b"], "[2] > [1]"), "no query"),
        (conversation("q", ["a", " "], "[2] > [1]"), "passage 1 is blank"),
    ],
)
def test_records_that_are_no_conversation(record: object, told: str) -> None:
    with pytest.raises(RowError, match=told):
        from_conversation(record)
