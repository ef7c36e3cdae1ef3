"""The command line: `python -m serve`, the service on this machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from reranker.cli.terminal import one_line, run_app, to_stderr
from serve.check import check as look
from serve.configuration import read_settings
from serve.deployment import Deployment, read_deployment
from serve.local import LOOPBACK, serve_here

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(
    port: Annotated[int, typer.Option(help="Where HTTP listens.", min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = LOOPBACK,
    model: Annotated[
        str | None, typer.Option(help="A Hugging Face name, a folder or a GGUF file.")
    ] = None,
    replicas: Annotated[int, typer.Option(help="Models that share this machine.", min=1)] = 1,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Start Ray's dashboard on loopback as well.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Say what would be served and what is wrong; serve not.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --check: Ray's configuration, or a RayService."),
    ] = None,
) -> None:
    """Answer reranking requests until Ctrl-C or SIGTERM, then end what was taken in.

    Everything else is set by variables of the environment, RERANKER_SERVE_…; see
    docs/operations.md.
    """
    if config is not None and not check:
        raise typer.BadParameter("it is read with --check; to serve it: serve run FILE")
    if config is not None:
        _check(read_deployment(config))
        return
    settings = read_settings(model=model)
    if check:
        _check(Deployment(settings, host, port))
        return
    serve_here(settings, host=host, port=port, replicas=replicas, dashboard=dashboard, ready=_ready)


def _check(deployment: Deployment) -> None:
    found = look(deployment.settings, host=deployment.host, port=deployment.port)
    table = Table(box=None, show_header=False)
    for each in found:
        table.add_row("[red]no" if each.error else "ok", each.what, one_line(each.found))
    Console(highlight=False, soft_wrap=True).print(table)
    wrong = [one_line(f"{each.what}: {each.error}") for each in found if each.error]
    for line in wrong:
        to_stderr("error:", line)
    if wrong:
        raise typer.Exit(1)


def _ready(address: str) -> None:
    Console(highlight=False).print(f"ready: {address}", soft_wrap=True)


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
