"""Training speed: `python -m benchmarks.training_speed [--rounds N] [key=value ...]`.

A step over packed rows with the narrow head against one over the same rows padded, with the head
over the whole vocabulary: tokens a second side by side, and how far their losses are apart.
Writes `training.json` and `README.md` into a folder.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from benchmarks.command import command_line
from benchmarks.race import Limit
from benchmarks.report import machine, versions
from benchmarks.speed.report import load_average, processor
from benchmarks.tables import table
from benchmarks.timing import PairedTimes, nothing, time_pair
from reranker.cli.terminal import run_app
from reranker.files import write_atomically
from training.recipe import Recipe

if TYPE_CHECKING:
    from benchmarks.training_speed.steps import Steppers

RESULTS = Path("benchmarks/results/training")
LIMIT = Limit(1.5)
TOLERANCE = Limit(1e-4, at_most=True)
PACKAGES = ("reranker", "torch", "transformers", "peft")
RECIPE = """
model: embedded
data: [{collection: embedded, split: dev}]
reranker: {layout: suffix, window: 20, stride: 10, passage_tokens: 64, query_tokens: 64}
window: {least: 4, most: 20}
passage_tokens: {least: 32, most: 64}
objective: softmax_cross_entropy
lora: {rank: 16, alpha: 32}
dtype: float32
learning_rate: 1e-4
batch: 4
"""
METHOD = (
    "A step is a forward and a backward pass and the optimizer's step. Packed: rows one after the "
    "other without padding, the head at each row's last token and for the identifiers alone. "
    "Padded: the same rows filled up to the longest of the batch, transformers' own forward pass "
    "with torch's fused attention, the head over the vocabulary at every position. The two take "
    "turns over the same batches, from the same first weights; the first turn of each is not "
    "counted. Tokens are those of the rows, without padding. The ratio is the median of the "
    "rounds' ratios of seconds, padded over packed; the losses' difference is the largest of any "
    "step."
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@dataclass(frozen=True, slots=True)
class TrainingSpeed:
    """What was found, and where, when and how.

    `times` are padded, then packed, in seconds; `tokens` and `padding` (a share) those of each
    round's batch; `losses` padded, then packed, of every step, the first turn's included.
    """

    command: str
    recipe: str
    times: PairedTimes
    tokens: tuple[int, ...]
    padding: tuple[float, ...]
    losses: tuple[tuple[float, ...], tuple[float, ...]]
    loss_difference: float
    device: str
    threads: int
    load_average: float | None
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: Mapping[str, str] = field(default_factory=lambda: versions(PACKAGES))
    machine: str = field(default_factory=machine)
    processor: str = field(default_factory=processor)

    @property
    def speeds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Tokens a second of each round, padded and packed."""
        padded, packed = (
            tuple(count / seconds for count, seconds in zip(self.tokens, side, strict=True))
            for side in (self.times.first, self.times.second)
        )
        return padded, packed


@app.command()
def training_speed(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[key=value]...", help="In place of the recipe's, as device=cuda."),
    ] = None,
    rounds: Annotated[int, typer.Option(help="Turns of each side.", min=1)] = 5,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
) -> None:
    """Measure packed training against padded training on the same rows."""
    recipe = Recipe.parse(RECIPE, [*(overrides or ()), f"steps={rounds + 1}"])
    found = measure(recipe, rounds)
    write(found, output)
    console.print(f"ratio {found.times.ratio:.3f}, losses apart {found.loss_difference:.2g}")
    console.print(f"written to {escape(str(output))}")


def measure(recipe: Recipe, rounds: int) -> TrainingSpeed:
    """Hold the race on the recipe's device.

    Raises:
        RerankerError: for data, a model or a device that cannot be had.
    """
    import torch

    from benchmarks.training_speed.steps import steppers

    before = load_average()
    sides = steppers(recipe)
    times = _race(sides, rounds)
    raced = [sides.batches[turn % len(sides.batches)] for turn in range(1, rounds + 1)]
    return TrainingSpeed(
        command=command_line("training_speed"),
        recipe=recipe.text(),
        times=times,
        tokens=tuple(batch.real for batch in raced),
        padding=tuple(batch.padding for batch in raced),
        losses=(tuple(sides.padded.losses), tuple(sides.packed.losses)),
        loss_difference=sides.loss_difference,
        device=sides.device.type,
        threads=torch.get_num_threads(),
        load_average=before,
    )


def _race(sides: "Steppers", rounds: int) -> PairedTimes:
    import torch

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("steps", total=rounds)
        return time_pair(
            sides.padded,
            sides.packed,
            rounds,
            wait=torch.cuda.synchronize if sides.device.type == "cuda" else nothing,
            after_round=partial(progress.advance, task),
        )


def write(found: TrainingSpeed, folder: Path) -> None:
    """Write what was found as JSON and Markdown."""
    values = {**asdict(found), "ratio": found.times.ratio, "tokens_a_second": found.speeds}
    write_atomically(folder / "training.json", json.dumps(values, indent=1) + "\n")
    write_atomically(folder / "README.md", markdown(found))


def markdown(found: TrainingSpeed) -> str:
    """The whole report."""
    packages = ", ".join(f"{name} {number}" for name, number in found.versions.items())
    load = "" if found.load_average is None else f"load average before {found.load_average:.1f}; "
    recipe = Recipe.parse(found.recipe)
    parts = [
        "# Training speed",
        f"```\n{found.command}\n```",
        f"{found.date}; model {Path(recipe.model).name}; {found.machine}; {found.processor}; "
        f"{found.device}, {found.threads} threads; {load}{packages}.",
        METHOD,
        table(("", "tokens a second", "range", "seconds a step"), _sides(found)),
        table(("", "found", "required", ""), _verdicts(found)),
        f"{len(found.tokens)} rounds of {recipe.batch} rows: windows of {recipe.window.least} to "
        f"{recipe.window.most} passages of up to {recipe.passage_tokens.least} to "
        f"{recipe.passage_tokens.most} tokens, {fmean(found.tokens):,.0f} tokens a batch on "
        f"average, padding {fmean(found.padding):.0%} of the padded rows.",
        f"```yaml\n{found.recipe}```",
    ]
    return "\n\n".join(parts) + "\n"


def _sides(found: TrainingSpeed) -> list[list[str]]:
    names = ("padded, full head", "packed, narrow head")
    return [
        [name, f"{median(speed):,.0f}", f"{min(speed):,.0f} to {max(speed):,.0f}", f"{seconds:.3g}"]
        for name, speed, seconds in zip(names, found.speeds, found.times.medians, strict=True)
    ]


def _verdicts(found: TrainingSpeed) -> list[list[str]]:
    ratios = found.times.ratios
    spread = f"{found.times.ratio:.3f} [{min(ratios):.3f}, {max(ratios):.3f}]"
    rows = (
        ("times as fast", spread, LIMIT, found.times.ratio),
        ("losses apart", f"{found.loss_difference:.2g}", TOLERANCE, found.loss_difference),
    )
    return [[name, told, str(limit), limit.verdict(value)] for name, told, limit, value in rows]


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
