"""A model and its tokenizer from one .gguf file, unpacked to plain weights."""

from __future__ import annotations

import io
import mmap
import struct
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reranker.errors import ModelError
from reranker.pretrained import read_model, read_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MAGIC = b"GGUF"
# llama.cpp's names of pre-tokenizers that split every digit and then as GPT-2 does.
DIGIT_SPLITTERS = ("smollm", "starcoder", "refact", "command-r", "codeshell")
_SPLITTER_KEY = b"tokenizer.ggml.pre"
_HEADER_BYTES = 1 << 26
_STRING = 8


def is_gguf(path: Path) -> bool:
    """Whether the path is given as a .gguf file."""
    return path.suffix.lower() == ".gguf"


def read_gguf(
    path: Path, *, dtype: torch.dtype, device: torch.device
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Unpack the file's weights, and rebuild its tokenizer.

    Call inside `reranker.loading.loading`.

    Raises:
        ModelError: for a file that is no GGUF, or holds no causal language model.
    """
    check_magic(path)
    # The unpacking draws a progress bar that no setting of transformers turns off.
    with redirect_stderr(io.StringIO()):
        model = read_model(
            path.parent,
            dtype=dtype,
            device=device,
            gguf_file=path.name,
            **_unpacked(),
        )
    tokenizer = read_tokenizer(path.parent, gguf_file=path.name)
    if splitter(path) in DIGIT_SPLITTERS:
        split_digits(tokenizer)
    return model, tokenizer


def _unpacked() -> dict[str, Any]:
    """The option that asks for plain weights; transformers before GgufConfig gave no others."""
    import transformers

    if not hasattr(transformers, "GgufConfig"):
        return {}
    return {"quantization_config": transformers.GgufConfig(dequantize=True)}


def check_magic(path: Path) -> None:
    """Refuse a file that does not begin as GGUF does."""
    with path.open("rb") as stream:
        found = stream.read(len(MAGIC))
    if found != MAGIC:
        raise ModelError(
            f"{path} ({path.stat().st_size} bytes) begins with {found!r}; a GGUF file begins with "
            f"{MAGIC!r}: download it again, and whole"
        )


def splitter(path: Path) -> str | None:
    """The name of the file's pre-tokenizer, or None; read without parsing its vocabulary."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(_SPLITTER_KEY, 0, _HEADER_BYTES)
        if place < 0:
            return None
        place += len(_SPLITTER_KEY)
        kind, length = struct.unpack_from("<IQ", data, place)
        start = place + struct.calcsize("<IQ")
        return data[start : start + length].decode() if kind == _STRING else None


def split_digits(tokenizer: PreTrainedTokenizerFast) -> None:
    """Give back the digit split that transformers' conversion drops."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [
            Digits(individual_digits=True),
            ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
