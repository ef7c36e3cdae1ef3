"""Hand-made tokenizers with the habits of real ones that break single-token identifiers."""

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

CONTROL = ("<s>", "</s>", "<think>")


def merging() -> PreTrainedTokenizerFast:
    """As Qwen's: `[A` is one token, and `<think>` is an added token that is not special."""
    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet())]
    merges = [("[", letter) for letter in "ABCDE"] + [("Ġ", "["), ("]", "Ċ")]
    backend = Tokenizer(models.BPE(_numbered([*letters, *map("".join, merges)]), merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return _wrapped(backend)


def splitting() -> PreTrainedTokenizerFast:
    """Every digit on its own, as Llama 2's and SmolLM's: `10` is two tokens."""
    backend = Tokenizer(models.BPE(_numbered(sorted(pre_tokenizers.ByteLevel.alphabet())), []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return _wrapped(backend)


def prefixing() -> PreTrainedTokenizerFast:
    """As Llama's and Mistral's SentencePiece: a text begins with `▁`, `▁A` and `A` both exist."""
    pieces = [*(chr(code) for code in range(33, 127)), "▁", *(f"<0x{i:02X}>" for i in range(256))]
    merges = [("▁", letter) for letter in "ABCDEFGH["]
    pieces += ["".join(merge) for merge in merges]
    vocabulary = _numbered(["<unk>", *pieces])
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return _wrapped(backend)


def metaspace() -> PreTrainedTokenizerFast:
    """The same habit in its newer form, a Metaspace pre-tokenizer."""
    backend = prefixing().backend_tokenizer
    backend.normalizer = None
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    backend.decoder = decoders.Sequence(
        [decoders.Metaspace(prepend_scheme="first"), decoders.ByteFallback(), decoders.Fuse()]
    )
    return _wrapped(backend)


def normalizing() -> PreTrainedTokenizerFast:
    """`merging` behind a normalizer that makes other characters into brackets and letters."""
    backend = merging().backend_tokenizer
    backend.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()])
    return _wrapped(backend)


def _numbered(pieces: list[str]) -> dict[str, int]:
    return {piece: place for place, piece in enumerate(pieces)}


def _wrapped(backend: Tokenizer) -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", model_max_length=4096
    )
    tokenizer.add_tokens(["<think>", "   "])
    return tokenizer
