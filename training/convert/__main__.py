"""The command line of converters: `python -m training.convert IN OUT --from FORMAT`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from tqdm import tqdm

from reranker.cli.terminal import run_app
from training.convert.conversion import Format, Summary, convert

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Answers(StrEnum):
    """What to do about an answer that is no whole permutation."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    STRICT = "strict"


class OnError(StrEnum):
    """What to do about a record of no use."""

    SKIP = "skip"
    RAISE = "raise"


@app.command()
def run(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="JSONL, JSON or parquet file, or a hub name.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="JSONL file of rows to write, .gz or not.")
    ],
    kind: Annotated[Format, typer.Option("--from", help="The format of IN.")],
    answers: Annotated[
        Answers, typer.Option(help="Incomplete answers: complete them, leave partial, or refuse.")
    ] = Answers.COMPLETE,
    on_error: Annotated[
        OnError, typer.Option(help="Records of no use: count and go on, or stop.")
    ] = OnError.SKIP,
    split: Annotated[str, typer.Option(help="Split of a data set on the hub.")] = "train",
) -> None:
    """Convert other projects' training data to rows."""
    path = Path(source)
    size = path.stat().st_size if path.is_file() else None
    with tqdm(total=size, unit="B", unit_scale=True, desc=path.name) as bar:
        summary = convert(
            source,
            target,
            kind.value,
            answers=answers.value,
            on_error=on_error.value,
            split=split,
            advance=bar.update,
        )
    _show(summary, target)


def _show(summary: Summary, target: Path) -> None:
    console = Console(highlight=False)
    console.print(f"{summary.written:,} row(s) written to {escape(str(target))}", soft_wrap=True)
    if summary.skips.total:
        console.print(str(summary.skips))
        for example in summary.skips.examples.values():
            console.print(f"  {escape(example)}", soft_wrap=True)
    for repair, count in summary.repairs.most_common():
        console.print(f"{count:,} mended: {repair}")


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
