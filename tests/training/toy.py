"""A task small enough to learn on the tiny model, and recipes for it."""

import random
from pathlib import Path

from reranker.passage import Passage
from tests.tiny import save_tiny
from training.recipe import Recipe
from training.row import Row
from training.rows import write_rows


def toy_rows(count: int = 64, seed: int = 0) -> list[Row]:
    """Rows of four passages in random order; the one that says yes is relevant."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        grades = [1.0, 0.0, 0.0, 0.0]
        rng.shuffle(grades)
        passages = tuple(Passage("yes" if grade else "no") for grade in grades)
        rows.append(Row(f"which {number % 7}", passages, tuple(grades)))
    return rows


def toy_folder(folder: Path) -> Path:
    """A folder with the tiny model in `base` and the task in `rows.jsonl`."""
    save_tiny(folder / "base")
    write_rows(toy_rows(), folder / "rows.jsonl")
    return folder


def toy_text(folder: Path) -> str:
    """A recipe over that folder, 12 steps with dropout and noise, saved every 4."""
    return f"""
model: {folder}/base
data_folder: {folder}
data: [{{path: rows.jsonl}}]
device: cpu
window: {{least: 2, most: 4, growth: 50}}
passage_tokens: {{least: 2, most: 8}}
identifiers: 30
reranker: {{window: 4, stride: 2}}
lora: {{rank: 4, dropout: 0.1}}
neftune: 5
steps: 12
batch: 4
pass_tokens: 100
learning_rate: 3e-3
warmup: 2
save_every: 4
"""


def toy_recipe(folder: Path, *overrides: str) -> Recipe:
    """The recipe of `toy_text` with `key=value` put in place."""
    return Recipe.parse(toy_text(folder), overrides)
