import pytest
import torch

from reranker.checkpoint import load
from reranker.errors import ModelError
from reranker.gguf_file import splitter
from tests.tiny import tiny_tokenizer
from tests.tiny_gguf import save_tiny_gguf

TEXT = "In 2023 [AB] costs 10 é"


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    return path, save_tiny_gguf(path)


def test_weights_and_tokenizer_are_those_that_were_written(tiny_gguf):
    path, model = tiny_gguf
    loaded = load(path, device="cpu")
    expected = tiny_tokenizer()
    ids = expected.encode(TEXT)
    assert loaded.tokenizer.encode(TEXT) == ids
    assert loaded.tokenizer.chat_template == expected.chat_template
    assert loaded.tokenizer.pad_token == expected.pad_token
    with torch.inference_mode():
        rows = torch.tensor([ids])
        assert torch.allclose(loaded.model(rows).logits, model(rows).logits, atol=1e-6)


def test_the_model_counts_as_a_plain_one(tiny_gguf, tmp_path):
    loaded = load(tiny_gguf[0], device="cpu", dtype="bf16")
    assert not getattr(loaded.model, "is_quantized", False)
    assert loaded.model.dtype == torch.bfloat16
    assert loaded.settings is None
    loaded.model.save_pretrained(tmp_path)


def test_the_name_of_the_splitter_is_read_from_the_header(tiny_gguf, tmp_path):
    assert splitter(tiny_gguf[0]) == "smollm"
    (tmp_path / "empty.gguf").write_bytes(b"GGUF" + bytes(64))
    assert splitter(tmp_path / "empty.gguf") is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04zip", b"<html>not found</html>"])
def test_a_file_that_is_no_gguf_is_refused(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="a GGUF file begins with b'GGUF'"):
        load(path, device="cpu")


def test_a_gguf_cut_short_is_refused(tiny_gguf, tmp_path):
    path = tmp_path / "short.gguf"
    path.write_bytes(tiny_gguf[0].read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"short\.gguf' cannot be loaded"):
        load(path, device="cpu")


def test_nothing_is_drawn(tiny_gguf, capfd):
    load(tiny_gguf[0], device="cpu")
    assert capfd.readouterr() == ("", "")
