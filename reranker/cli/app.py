"""The application: its commands and what all of them share."""

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from reranker import __version__
from reranker.cli.doctor import doctor
from reranker.cli.explain import explain
from reranker.cli.group import Group
from reranker.cli.index import index
from reranker.cli.options import spread
from reranker.cli.rank import rank

app = typer.Typer(
    name="reranker",
    cls=Group,
    help="Rerank passages with a language model: one forward pass, a whole ranking.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"reranker {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Rerank passages with a language model: one forward pass, a whole ranking."""


def _help(command: Callable[..., None]) -> str:
    """A command's docstring, each paragraph on one line: the terminal breaks it where it must."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


for command in (rank, explain, index, doctor):
    app.command(help=_help(command))(spread(command))
