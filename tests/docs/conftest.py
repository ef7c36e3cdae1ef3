from pathlib import Path

import pytest

import reranker
import reranker.checkpoint
import reranker.reranker
from reranker.checkpoint import Checkpoint
from reranker.embedded import shipped_adapter
from reranker.settings import Settings
from tests.examples.conftest import running
from tests.tiny import tiny_model, tiny_tokenizer

__all__ = ["running"]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The tiny model in the place of every other; the names that were asked for.

    The default has the settings that it is shipped with, all others none.
    """
    asked: list[object] = []

    def load(
        name: str | Path | None = None,
        *,
        adapter: object = None,
        dtype: object = None,
        device: object = None,
        revision: object = None,
    ) -> Checkpoint:
        asked.append(name)
        shipped = shipped_adapter()
        settings = None if name is not None or shipped is None else Settings.read(shipped)
        tokenizer = tiny_tokenizer()
        return Checkpoint("tiny", tiny_model(tokenizer), tokenizer, settings)

    for module in (reranker, reranker.checkpoint, reranker.reranker):
        monkeypatch.setattr(module, "load", load)
    return asked
