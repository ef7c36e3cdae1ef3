"""Complete rankings by a teacher: `python -m training.order IN OUT --model TEACHER`.

A pass of sliding windows settles the order of its first `window - stride` passages alone.
Repeated until the last are settled too, it gives the whole list that full ranking is trained on
(arXiv 2412.14574): 100 passages in windows of 20 with a stride of 10 take 9 passes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from tqdm import tqdm

from reranker.cli.terminal import run_app
from reranker.errors import InputError
from reranker.reranker import Reranker
from training.row import Row
from training.rows import read_rows, write_rows

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def ordered(rows: Iterable[Row], teacher: Reranker) -> Iterator[Row]:
    """Each row with the teacher's ranking of all of its passages; its judgments stay.

    Rows come out as they are done. The teacher's passes are those of its settings.
    """
    taken: dict[int, Row] = {}

    def asked() -> Iterator[tuple[str, Iterable[object]]]:
        for place, row in enumerate(rows):
            taken[place] = row
            yield row.query, row.passages

    for place, ranking in teacher.rank_stream(asked()):
        yield replace(taken.pop(place), ranking=tuple(passage.index for passage in ranking))


def passes_for(passages: int, *, window: int, stride: int) -> int:
    """How many sliding passes settle the order of so many passages.

    Raises:
        InputError: for windows that hand nothing on to the next.
    """
    if stride >= window:
        raise InputError(f"a stride of {stride} must be below the window, {window}, to settle any")
    return 1 + max(0, ceil((passages - window) / (window - stride)))


@app.command()
def run(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Rows, judged or not, .gz or not.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Rows to write, .gz or not.")],
    model: Annotated[str, typer.Option(help="The teacher: a reranker's name or folder.")],
    depth: Annotated[int, typer.Option(help="The most passages of a row.", min=2)] = 100,
    window: Annotated[int, typer.Option(help="Passages of a window.", min=2)] = 20,
    stride: Annotated[int, typer.Option(help="Passages from window to window.", min=1)] = 10,
    passes: Annotated[
        int | None, typer.Option(help="Sliding passes; else as many as settle `depth`.", min=1)
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, …")] = None,
) -> None:
    """Have a teacher rank the passages of rows completely."""
    teacher = Reranker(
        model,
        strategy="sliding",
        window=window,
        stride=stride,
        passes=passes or passes_for(depth, window=window, stride=stride),
        device=device,
    )
    rows = (
        row.take(range(min(depth, len(row.passages)))) for row in read_rows(source, labelled=False)
    )
    bar = tqdm(ordered(rows, teacher), unit=" rows", disable=None)
    count = write_rows(bar, target)
    Console(highlight=False).print(f"{count:,} row(s) written to {escape(str(target))}")


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
