"""Figures: how one is begun, its colours, and a file of it."""

import tempfile
from pathlib import Path
from typing import Any

from reranker.errors import MissingExtraError

COLOURS = ("#9aa0a6", "#3b6fb6", "#d9822b", "#4c9f70", "#b0413e", "#7d5ba6", "#8a6d3b", "#2a9d9d")
# Without what changes from one run, or one installation, to the next.
_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"dpi": 150, "metadata": {"Software": None}},
    ".svg": {"metadata": {"Date": None}},
}


def new_figure(
    width: float, height: float, *, columns: int = 1, share_y: bool = False
) -> tuple[Any, list[Any]]:
    """A figure, in inches, and its axes side by side.

    It is apart from pyplot: it needs no display and leaves no global state.

    Raises:
        MissingExtraError: where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "eval", "plotting") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    [row] = figure.subplots(1, columns, sharey=share_y, squeeze=False)
    for axes in row:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(row)


def save(figure: Any, path: Path) -> None:
    """Write a PNG or an SVG whole or not at all, the same bytes for the same figure."""
    from matplotlib import rc_context

    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder,
        rc_context({"svg.hashsalt": path.stem}),
    ):
        temporary = Path(folder) / path.name
        figure.savefig(temporary, **_OPTIONS[path.suffix])
        temporary.replace(path)
