"""Milliseconds by the number of passages, and by their length, as one plot."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.blocks.entrants import ENTRANTS, Cell
from benchmarks.blocks.report import PLOT, BlocksReport, milliseconds
from benchmarks.figure import COLOURS, new_figure, save


def plot(report: BlocksReport, folder: Path) -> None:
    """Draw the curves over passages and over length, each where most cells are.

    Raises:
        MissingExtraError: where matplotlib is not installed.
    """
    figure, (left, right) = _figure()
    tokens = _commonest([cell.tokens for cell in report.cells])
    passages = _commonest([cell.passages for cell in report.cells])
    _curves(left, report, lambda cell: cell.passages if cell.tokens == tokens else None)
    _curves(right, report, lambda cell: cell.tokens if cell.passages == passages else None)
    left.set(xlabel=f"passages of {tokens} tokens", ylabel="milliseconds a query", xscale="log")
    right.set(xlabel=f"tokens each of {passages:,} passages")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    save(figure, folder / PLOT)


def _commonest(values: Sequence[int]) -> int:
    """The value of most cells; the largest of several."""
    return max(values, key=lambda value: (values.count(value), value))


def _curves(axes: Any, report: BlocksReport, place: Callable[[Cell], int | None]) -> None:
    for entrant, colour in zip(ENTRANTS, COLOURS, strict=False):
        points = [
            (at, ms)
            for cell, rounds in report.cells.items()
            if (at := place(cell)) and (ms := milliseconds(rounds, entrant)) is not None
        ]
        if points:
            axes.plot(*zip(*sorted(points), strict=True), marker="o", color=colour, label=entrant)


def _figure() -> tuple[Any, list[Any]]:
    """Two axes with one logarithmic scale of times."""
    figure, axes = new_figure(11.0, 4.2, columns=2, share_y=True)
    for one in axes:
        one.set_yscale("log")
        one.grid(alpha=0.3)
    return figure, axes
