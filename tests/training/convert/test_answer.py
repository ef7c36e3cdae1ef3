import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.convert.records_of import LETTERS, NUMBERS
from training.convert.answer import MISSING, REPEATED, UNKNOWN, parse_answer
from training.skips import RowError

SHARED = Path(__file__).resolve().parents[4] / "shared" / "training"


@pytest.mark.parametrize(
    ("text", "ranking", "repairs"),
    [
        ("[2] > [1] > [3]", (1, 0, 2), ()),
        (" [2]>[1] ,[ 3 ]\n", (1, 0, 2), ()),
        ("2] > [1] > [3]", (1, 0, 2), ()),
        ("1. [3] 2. [1] 3. [2]", (2, 0, 1), ()),
        ("2 > 1 > 3", (1, 0, 2), ()),
        ("3, 1, 2.", (2, 0, 1), ()),
        ("[3] > [3] > [1] > [2]", (2, 0, 1), (REPEATED,)),
        ("[3] > [1]", (2, 0, 1), (MISSING,)),
        ("[4] > [3] > [0] > [2] > [1]", (2, 1, 0), (UNKNOWN,)),
        ("Of 20 passages the best are [2], [2] and [99].", (1, 0, 2), (UNKNOWN, REPEATED, MISSING)),
    ],
)
def test_answers(text: str, ranking: tuple[int, ...], repairs: tuple[str, ...]) -> None:
    answer = parse_answer(text, NUMBERS[:3])
    assert (answer.ranking, answer.repairs) == (ranking, repairs)


@pytest.mark.parametrize(
    "text", ["", "[] > []", "2 passages are provided.", "[7]", "[I] > [II]", "😀"]
)
def test_answers_that_rank_nothing(text: str) -> None:
    with pytest.raises(RowError, match="names none of the 3"):
        parse_answer(text, NUMBERS[:3])


def test_letters_are_read_in_either_case() -> None:
    assert parse_answer("[c] > [A] > [B]", LETTERS[:3]).ranking == (2, 0, 1)
    assert parse_answer("[a] > [A]", ["A", "a"]).ranking == (1, 0)


@given(st.text(), st.integers(1, 30))
def test_any_answer_gives_a_permutation_or_an_error_of_ours(text: str, count: int) -> None:
    try:
        answer = parse_answer(text, NUMBERS[:count])
    except RowError:
        return
    assert sorted(answer.ranking) == list(range(count))


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs shared/training")
def test_real_answers() -> None:
    whole = mended = refused = 0
    with gzip.open(SHARED / "raw_llm_ranking_outputs.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            try:
                answer = parse_answer(json.loads(line)["response"], NUMBERS[:20])
            except RowError:
                refused += 1
                continue
            assert sorted(answer.ranking) == list(range(20))
            whole += not answer.repairs
            mended += bool(answer.repairs)
    assert (whole, mended, refused) == (1822, 409, 1158)
