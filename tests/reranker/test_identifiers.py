import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from reranker.encoder import Encoder
from reranker.errors import IdentifierError, SettingsError
from reranker.identifiers import resolve
from tests import tokenizers_of_the_field as field


def test_letters_are_the_bare_letters_after_the_bracket() -> None:
    for make in (field.merging, field.splitting, field.prefixing, field.metaspace):
        tokenizer = make()
        encoder = Encoder(tokenizer)
        context = encoder.literal("x [")
        found = resolve("letters", encoder, context)
        assert len(found) == 26
        assert found.token_ids[0] == tokenizer.convert_tokens_to_ids("A")
        assert encoder.decode((*context, found.token_ids[1])).endswith("[B")


def test_a_merged_bracket_is_never_an_identifier() -> None:
    tokenizer = field.merging()
    encoder = Encoder(tokenizer)
    merged = tokenizer.convert_tokens_to_ids("[A")
    assert merged in tokenizer.encode("[A] x")
    assert merged not in resolve("letters", encoder, encoder.literal("[")).token_ids


def test_numbers_stop_where_the_tokenizer_splits_them() -> None:
    encoder = Encoder(field.splitting())
    found = resolve("numbers", encoder, encoder.literal("["))
    assert found.names == tuple("123456789")
    with pytest.raises(IdentifierError, match=r"has 9.*10, 11"):
        found.first(10)


def test_a_fixed_alphabet_names_what_is_missing() -> None:
    encoder = Encoder(field.splitting())
    with pytest.raises(IdentifierError, match="AB, 10"):
        resolve(["A", "AB", "10"], encoder, encoder.literal("["))


def test_capitals_take_what_the_tokenizer_holds(encoder: Encoder) -> None:
    found = resolve("capitals", encoder, encoder.literal("["))
    assert len(found) == 26 + 130
    assert found.names[:26] == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert "AA" in found.names
    assert "ZZ" in found.missing
    assert len(set(found.token_ids)) == len(found)


@pytest.mark.parametrize(
    ("alphabet", "message"),
    [("runes", "unknown identifiers"), (["A", "A"], "twice"), (["A", " "], "visible")],
)
def test_wrong_alphabets(encoder: Encoder, alphabet: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        resolve(alphabet, encoder, encoder.literal("["))  # type: ignore[arg-type]


def test_a_tokenizer_without_identifiers() -> None:
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "[": 1, "A": 2}, unk_token="<unk>"))
    encoder = Encoder(PreTrainedTokenizerFast(tokenizer_object=backend))
    with pytest.raises(IdentifierError, match=r"holds 1 of .* needs at least 2"):
        resolve("capitals", encoder, ())
