"""The command that writes a collection as a folder: `python -m data export NAME FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from data.beir import write_beir
from data.collections import EMBEDDED, folder_of, load
from reranker.collection import default_split
from reranker.errors import DataError

# What a data set of ir_datasets calls its splits, somewhere in its name.
_NAMED = ("test", "dev", "val", "validation", "train")

console = Console()


def export(
    name: Annotated[str, typer.Argument(help="A collection, as for search.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write, in BEIR layout.")],
    split: Annotated[
        str | None, typer.Option(help="Which judgments to read; test where there are.")
    ] = None,
) -> None:
    """Write a collection as a folder, such as the service's page can search.

    Judgments of an earlier export there (qrels/*.tsv) are removed: its queries are replaced.
    """
    source = _folder(name)
    if source and folder.exists() and source.samefile(folder):
        raise DataError(f"{folder} is the collection itself; give another folder to write")
    written = split or _split(name, source)
    collection = load(name, split)
    write_beir(collection, folder, split=written)
    console.print(f"{escape(repr(collection))} written to {escape(str(folder))}")
    _remove_others(folder, written if collection.qrels else None)


def _folder(name: str) -> Path | None:
    """The folder that a collection is read from, where it is one."""
    if name == EMBEDDED or name.startswith(("hf:", "irds:")):
        return None
    return folder_of(name)


def _split(name: str, source: Path | None) -> str:
    """The split that is read where none is named."""
    if name.startswith("hf:"):
        raise typer.BadParameter("name the --split of a hub's collection, such as --split test")
    if name.startswith("irds:"):
        return next((part for part in name.split("/") if part in _NAMED), "test")
    return (source and default_split(source)) or "test"


def _remove_others(folder: Path, kept: str | None) -> None:
    for path in sorted(folder.glob("qrels/*.tsv")):
        if path.name != f"{kept}.tsv":
            path.unlink()
            console.print(f"{escape(str(path))} removed: it judged the queries replaced")
