import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reranker.attention import PACKED
from reranker.levels import plain, positions, size
from reranker.masks import mask
from reranker.packed_rows import PackedRows
from reranker.packing import pack
from tests.tiny import tiny_model, tiny_tokenizer

ROW = ((3,), (2, 1), (2,))
CPU = torch.device("cpu")


def test_positions_begin_after_the_longest_segment_before() -> None:
    assert positions(ROW) == [0, 1, 2, 3, 4, 3, 5, 6]
    assert positions(plain(4)) == [0, 1, 2, 3]
    assert size(ROW) == 8


def test_a_token_sees_earlier_levels_and_its_own_segment() -> None:
    assert mask(ROW, 0, None, CPU).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert mask(ROW, 1, None, CPU).int().tolist() == [
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0, 0, 1],
    ]
    assert mask(ROW, 2, None, CPU).int().tolist() == [[1] * 7 + [0], [1] * 8]


def test_a_band_is_measured_in_positions() -> None:
    assert mask(ROW, 2, 3, CPU).int().tolist() == [
        [0, 0, 0, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 1, 0, 1, 1],
    ]


levels = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=6), min_size=1, max_size=3)


@given(levels, st.integers(0, 2**31))
def test_packed_attention_is_that_of_a_dense_mask(drawn: list[list[int]], seed: int) -> None:
    row = tuple(map(tuple, drawn))
    count = size(row)
    tokens = torch.randint(3, 300, (1, count), generator=torch.Generator().manual_seed(seed))
    places = torch.tensor([positions(row)])
    seen = torch.zeros(count, count, dtype=torch.bool)
    start = 0
    for depth, segments in enumerate(row):
        stop = start + sum(segments)
        seen[start:stop, :stop] = mask(row, depth, None, CPU)
        start = stop
    with torch.inference_mode():
        found = MODEL(
            tokens, position_ids=places, packed_rows=PackedRows([row]), use_cache=False
        ).logits
        wanted = PLAIN(
            tokens, position_ids=places, attention_mask=seen[None, None], use_cache=False
        ).logits
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


PLAIN = tiny_model(tiny_tokenizer())
MODEL = tiny_model(tiny_tokenizer())
assert pack(MODEL)


def test_the_model_is_packed() -> None:
    assert MODEL.config._attn_implementation == PACKED
    with pytest.raises(Exception, match="packed_rows"):
        MODEL(torch.tensor([[5, 6]]))
