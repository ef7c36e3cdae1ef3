"""The record of a run: what it was made of, kept beside every checkpoint and the result."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reranker.files import write_atomically
from training.errors import TrainingError
from training.mixture import Mixture
from training.recipe import FILE_NAME as RECIPE
from training.recipe import Recipe

FILE_NAME = "training.json"
PACKAGES = ("reranker", "torch", "transformers", "peft", "accelerate", "tokenizers")
# What a run that goes on may change: where things lie, and how it is watched and laid out.
FREE = (
    "data",
    "data_folder",
    "dev",
    "device",
    "evaluate_every",
    "gradient_checkpointing",
    "log_every",
    "pass_tokens",
    "save_every",
    "tensorboard",
    "workers",
)


@dataclass(frozen=True, slots=True)
class Record:
    """A run's recipe, the fingerprints of its data by path, and the versions of its packages.

    `mixture` is the digest of all that its windows depend on; `step` and `measures`, nDCG@10 of
    the dev sets by name, are those of the weights beside it.
    """

    recipe: Recipe
    data: Mapping[str, Mapping[str, Any]]
    mixture: str
    versions: Mapping[str, str]
    step: int = 0
    measures: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe, mixture: Mixture) -> "Record":
        """The record of a run that begins."""
        data = {
            item.name: {
                "sha256": source.digest,
                "rows": len(source.rows),
                "skipped": source.skips.total,
            }
            for item, source in zip(recipe.data, mixture.sources, strict=True)
        }
        return cls(recipe, data, mixture.digest, _versions())

    def at(self, step: int, measures: Mapping[str, float]) -> "Record":
        """The record of the weights after a step."""
        return replace(self, step=step, measures=measures)

    def write(self, folder: Path) -> None:
        """Write the recipe and the rest of the record."""
        write_atomically(folder / RECIPE, self.recipe.text())
        values = {
            "step": self.step,
            "ndcg@10": self.measures,
            "mixture": self.mixture,
            "data": self.data,
            "versions": self.versions,
        }
        write_atomically(folder / FILE_NAME, json.dumps(values, indent=2) + "\n")

    def check_same(self, folder: Path) -> None:
        """Check that a checkpoint is of the same run.

        Raises:
            TrainingError: naming what differs.
        """
        before = Recipe.read(folder / RECIPE)
        names = [f.name for f in fields(Recipe) if f.name not in FREE]
        for name in names:
            was, now = getattr(before, name), getattr(self.recipe, name)
            if was != now:
                raise TrainingError(
                    f"{folder} was trained with {name}: {was!r}, the recipe has {now!r}; give the "
                    "same to go on, or another --output to start anew"
                )
        stored = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        if stored.get("mixture") != self.mixture:
            raise TrainingError(
                f"{folder} was trained on other data or weights of data (fingerprints are in "
                f"{folder / FILE_NAME}); restore them to go on, or give another --output"
            )


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
