"""The result of a run: a folder that `Reranker(FOLDER)` loads, with the record of its making."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reranker.adapter import CONFIG, WEIGHTS
from reranker.errors import DataError
from reranker.settings import Settings
from training.model import ListwiseModel
from training.record import FILE_NAME as RECORD
from training.record import Record

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

_STAGING = ".result"


class Result:
    """Writes a model with the settings that it is to be used with.

    Args:
        folder: where the result goes.
        settings: prompts and windows.
        record: what it is made of.
        tokenizer: written beside whole models; an adapter uses its base's. None for an adapter.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        record: Record,
        tokenizer: "PreTrainedTokenizerFast | None",
    ) -> None:
        self.folder, self.settings, self.record = folder, settings, record
        self._tokenizer = tokenizer

    def write(
        self, folder: Path, model: ListwiseModel, step: int, measures: Mapping[str, float]
    ) -> None:
        """Write weights, settings and record into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        model.save(folder)
        if self._tokenizer is not None:
            self._tokenizer.save_pretrained(folder)
        self.settings.write(folder)
        self.record.at(step, measures).write(folder)

    def keep(self, model: ListwiseModel, step: int, measures: Mapping[str, float]) -> None:
        """Make these weights the result: each file the old one or the new one at any moment."""
        staging = self.folder / _STAGING
        shutil.rmtree(staging, ignore_errors=True)
        self.write(staging, model, step, measures)
        for path in staging.iterdir():
            path.replace(self.folder / path.name)
        staging.rmdir()


def adapter_weights(folder: Path) -> "dict[str, Tensor]":
    """The adapter's weights out of a run's folder, one of its checkpoints, or an export of it.

    Raises:
        DataError: where there is none.
    """
    from safetensors.torch import load_file

    if absent := [name for name in (CONFIG, WEIGHTS, RECORD) if not (folder / name).is_file()]:
        raise DataError(
            f"{folder} holds no adapter of a run ({absent[0]} is not there); give the folder of a "
            "run with lora, or one of its checkpoints"
        )
    return load_file(folder / WEIGHTS)
