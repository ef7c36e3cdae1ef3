"""`reranker index`: read a collection's passages ahead of any query."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from reranker.cli.group import Verbose
from reranker.cli.options import RerankerOptions
from reranker.errors import SettingsError

if TYPE_CHECKING:
    from reranker.passage_cache import PassageCache

Item = TypeVar("Item")
_TOGETHER = 64


def index(
    collection: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A collection in BEIR layout, gzipped or not.")
    ],
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="The first N passages alone.", min=1)
    ] = None,
    verbose: Verbose = False,
    *,
    options: RerankerOptions,
) -> None:
    """Keep what the model reads of a collection's passages, in the folder given by --cache.

    Reranking passages that are kept costs a pass over the query and the identifiers. Run it
    again after a break, or when the collection has grown: what is kept already is passed over.
    """
    from tqdm import tqdm

    from reranker.collection import read_beir

    if options.cache is None:
        raise SettingsError("name a folder to keep passages in, with --cache FOLDER")
    passages = list(read_beir(collection).passages.values())[:limit]
    reranker = options.reranker()
    cache = reranker.engine.cache
    assert cache is not None, "options with a cache folder give a cache"
    read = 0
    bar = tqdm(total=len(passages), unit=" passages", disable=not sys.stderr.isatty())
    with bar:
        for part in _parts(passages, _TOGETHER):
            read += reranker.keep(part)
            bar.update(len(part))
    typer.echo(_summary(len(passages), read, cache), err=True)


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _summary(passages: int, read: int, cache: "PassageCache") -> str:
    assert cache.store is not None, "a cache with a folder has a store"
    used = cache.store.nbytes / 2**20
    note = "; its budget is spent: give it more room, or --stored int8" if cache.store.full else ""
    return f"{passages:,} passages, {read:,} of them new; {used:,.1f} MiB{note}"
