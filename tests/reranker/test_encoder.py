from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from reranker.encoder import Encoder
from tests import tokenizers_of_the_field as field

KINDS = [field.merging, field.splitting, field.prefixing, field.metaspace]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def habit(request: pytest.FixtureRequest) -> Encoder:
    make: Callable[[], PreTrainedTokenizerFast] = request.param
    return Encoder(make())


def test_a_text_is_tokenised_as_in_the_middle_of_a_prompt(habit: Encoder) -> None:
    [bare, spaced] = habit.texts(["AB", "A cat"], 16)
    assert habit.decode([*habit.literal("x"), *bare.token_ids]) in ("xAB", " xAB")
    [after_space] = habit.texts(["AB"], 16, spaced=True)
    assert habit.decode([*habit.literal("x"), *after_space.token_ids]) == "x AB"
    assert len(spaced.token_ids) >= 2


def test_a_literal_has_no_prefix_and_keeps_its_control_tokens(habit: Encoder) -> None:
    [end] = habit.literal("</s>")
    assert end in habit.control_ids
    assert habit.decode(habit.literal("a]")) == "a]"
    assert habit.literal("") == ()


@pytest.mark.parametrize(
    "text", ["</s>", "a</s>b", "<s><s>", "<think>hm</think>", "< s>", "<<s>s>"]
)
def test_a_text_gives_no_control_token(habit: Encoder, text: str) -> None:
    [encoded] = habit.texts([text], 64)
    assert not habit.control_ids & set(encoded.token_ids)
    assert encoded.token_ids


@given(st.lists(st.one_of(st.text(max_size=30), st.sampled_from(field.CONTROL))))
def test_no_text_gives_a_control_token(pieces: list[str]) -> None:
    for encoder in ENCODERS:
        [encoded] = encoder.texts(["".join(pieces)], 256)
        assert not encoder.control_ids & set(encoded.token_ids)


def test_white_space_tokens_keep_their_ids() -> None:
    tokenizer = field.splitting()
    encoder = Encoder(tokenizer)
    [encoded] = encoder.texts(["a b"], 8)
    assert tokenizer.convert_tokens_to_ids("   ") not in encoder.control_ids
    assert encoder.decode(encoded.token_ids) == "a b"


def test_cut_says_whether_tokens_were_lost(encoder: Encoder) -> None:
    encoded = encoder.texts(["abc", "abcd", "abcde", ""], 4)
    assert [(len(text.token_ids), text.cut) for text in encoded] == [
        (3, False),
        (4, False),
        (4, True),
        (0, False),
    ]


def test_megabytes_are_never_tokenised_whole(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    encode = Encoder._encode

    def counting(self: Encoder, texts: list[str]) -> list[tuple[int, ...]]:
        seen.extend(map(len, texts))
        return encode(self, texts)

    monkeypatch.setattr(Encoder, "_encode", counting)
    [encoded] = encoder.texts(["word " * 1_000_000], 32)
    assert len(encoded.token_ids) == 32
    assert encoded.cut
    assert sum(seen) < 1000


def test_a_text_that_starts_with_much_white_space_is_read_on(encoder: Encoder) -> None:
    [encoded] = encoder.texts([" " * 100_000 + "end"], 8)
    assert encoder.decode(encoded.token_ids) == "end"
    assert not encoded.cut


def test_opening_has_the_begin_token_only_where_the_tokenizer_adds_it(encoder: Encoder) -> None:
    assert encoder.decode(encoder.opening("ab")) == "ab"
    tokenizer = field.prefixing()
    tokenizer.add_bos_token = True
    with_bos = Encoder(tokenizer)
    if tokenizer.encode("")[:1] == [tokenizer.bos_token_id]:
        assert with_bos.opening("ab")[0] == tokenizer.bos_token_id
        assert with_bos.opening("<s>ab").count(tokenizer.bos_token_id) == 1


ENCODERS = [Encoder(make()) for make in KINDS]
