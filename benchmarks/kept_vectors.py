"""Passages' vectors on disk, so that a collection is encoded once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.work import FOLDER, digest
from data.dense import Encoder, Vectors

_PART = 512
# As many as another number of threads leaves as they are.
_DIGITS = 3


class KeptVectors:
    """An encoder that keeps what it made of passages, a part at a time."""

    def __init__(self, encoder: Encoder, folder: Path = FOLDER / "vectors") -> None:
        self._encoder, self._folder = encoder, folder
        self._print = encoder_print(encoder)

    def passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of passages, (texts, dimensions)."""
        parts = [texts[start : start + _PART] for start in range(0, len(texts), _PART)]
        bar = tqdm(parts, desc="encode", unit=f" {_PART} passages", disable=None)
        return np.concatenate([self._kept(part) for part in bar])

    def queries(self, texts: Sequence[str]) -> Vectors:
        """The vectors of queries, (texts, dimensions)."""
        return self._encoder.queries(texts)

    def _kept(self, texts: Sequence[str]) -> Vectors:
        path = self._folder / f"{digest([self._print, *texts])}.npy"
        if not path.is_file():
            vectors = self._encoder.passages(texts)
            path.parent.mkdir(parents=True, exist_ok=True)
            written = path.with_suffix(".part.npy")
            np.save(written, vectors)
            written.replace(path)
        found: Vectors = np.load(path)
        return found


def encoder_print(encoder: Encoder) -> str:
    """What tells an encoder's weights from others': a digest of a vector that it gives."""
    return digest(encoder.queries(["weights"]).round(_DIGITS).tolist())
