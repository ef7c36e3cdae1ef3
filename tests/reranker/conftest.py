import pytest

from reranker.checkpoint import Checkpoint
from reranker.encoder import Encoder
from reranker.reranker import Reranker
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder(tiny_tokenizer())


@pytest.fixture
def checkpoint() -> Checkpoint:
    tokenizer = tiny_tokenizer()
    return Checkpoint("tiny", tiny_model(tokenizer), tokenizer, Settings(layout="suffix"))


@pytest.fixture(scope="session")
def reranker() -> Reranker:
    tokenizer = tiny_tokenizer()
    settings = Settings(layout="suffix", window=6, stride=3, passage_tokens=24)
    return Reranker(Checkpoint("tiny", tiny_model(tokenizer), tokenizer, settings))
