"""`reranker doctor`: what is installed, what runs, and what to do about the rest."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from reranker.cli.group import Verbose
from reranker.cli.terminal import console, json_line, one_line

if TYPE_CHECKING:
    from reranker.cli.checks import Check

_STYLES = {"ok": "green", "off": "dim", "warning": "yellow", "failure": "bold red"}


def doctor(
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Try this model in place of the embedded default."),
    ] = None,
    load: Annotated[
        bool, typer.Option("--load/--no-load", help="Load the model and rank two passages.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Verbose = False,
) -> None:
    """Check the installation; the exit status is 0 if the library works, else 1."""
    from reranker.cli.checks import FAILURE, checks

    found = list(checks(model, load=load))
    works = all(check.state != FAILURE for check in found)
    if json:
        rows = [asdict(check) for check in found]
        typer.echo(json_line({"works": works, "checks": rows, "to_do": to_do(found)}))
    else:
        _show(found, works=works)
    raise typer.Exit(0 if works else 1)


def to_do(found: Iterable["Check"]) -> list[str]:
    """What to do, the failures first."""
    urgent = sorted(found, key=lambda check: check.state != "failure")
    return [
        f"{check.name}: {check.remedy}"
        for check in urgent
        if check.remedy and check.state in ("failure", "warning")
    ]


def _show(found: Sequence["Check"], *, works: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "", "found", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for check in found:
        install = f"  ({check.remedy})" if check.state == "off" else ""
        text = Text(one_line(check.found) + install)
        table.add_row(Text(check.name), Text(check.state, style=_STYLES[check.state]), text)
    screen = console()
    screen.print(table)
    screen.print(Text("It works." if works else "It does not work.", style="bold"))
    steps = to_do(found)
    if steps:
        screen.print("To do:")
    for line in steps:
        screen.print(Text(f"- {one_line(line)}"))
