import pytest
import torch

from data.synthesis.writer import Writing
from reranker.encoder import Encoder
from reranker.errors import EngineError, InputError
from reranker.passage import Passage
from tests.data.synthesis.toy import PASSAGES, writer
from tests.tiny import tiny_tokenizer


def test_writing_is_the_same_every_time_and_leaves_the_random_state() -> None:
    one, state = writer(), torch.get_rng_state()
    rows = one.rows(PASSAGES)
    found = [one._generated(rows, number).tolist() for number in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert torch.equal(state, torch.get_rng_state())


def test_a_batch_writes_what_each_passage_alone_does() -> None:
    """Greedy, padded on the left: rows of different lengths do not disturb each other."""
    one = writer(Writing(new_tokens=6))
    rows = one.rows([Passage("a"), Passage("a much longer passage"), Passage("bc " * 9)])
    together = one._generated(rows, 0).tolist()
    assert together == [one._generated([row], 0)[0].tolist() for row in rows]


def test_an_answer_is_the_first_line_and_nothing_unfinished() -> None:
    one, encoder = writer(), Encoder(tiny_tokenizer())
    ids = list(encoder.literal("what is it?\nIt is"))
    end = encoder.end_id
    assert one._answer(ids) == "what is it?"
    assert one._answer([*ids[:7], end, end]) == "what is"
    assert one._answer(ids[:7]) is None


def test_several_queries_of_a_passage_stay_with_it() -> None:
    one = writer(Writing(each=3, temperature=1.0, new_tokens=2))
    rows = one.rows(PASSAGES[:2])
    assert one._generated(rows, 0).shape == (6, 2)
    assert [len(answers) for answers in one.write(rows, 0)] == [3, 3]


def test_what_the_device_refuses_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    one = writer()

    def refuse(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(one._model, "generate", refuse)
    with pytest.raises(EngineError, match="smaller --batch"):
        one.write(one.rows(PASSAGES), 0)


def test_a_key_tells_all_that_decides_the_answers() -> None:
    one = writer()
    rows = one.rows(PASSAGES)
    others = [
        one.key(rows, 1),
        one.key(rows[:2], 0),
        writer(Writing(new_tokens=7, temperature=1.0)).key(rows, 0),
    ]
    assert one.key(rows, 0) == writer().key(rows, 0)
    assert one.key(rows, 0) not in others


@pytest.mark.parametrize(
    "how",
    [
        {"each": 0},
        {"each": 2},
        {"new_tokens": 0},
        {"seed": -1},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_p": 0.0},
    ],
)
def test_writing_that_makes_no_sense_is_refused(how: dict[str, int]) -> None:
    with pytest.raises(InputError):
        Writing(**how)  # type: ignore[arg-type]
