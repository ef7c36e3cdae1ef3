"""The command line: `python -m serve`, the service on this machine."""

from typing import Annotated

import typer
from rich.console import Console

from reranker.cli.terminal import run_app
from serve.configuration import read_settings
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
) -> None:
    """Answer reranking requests until Ctrl-C or SIGTERM, then end what was taken in.

    Everything else is set by variables of the environment, RERANKER_SERVE_…; see
    docs/operations.md.
    """
    settings = read_settings(model=model)
    serve_here(settings, host=host, port=port, replicas=replicas, dashboard=dashboard, ready=_ready)


def _ready(address: str) -> None:
    Console(highlight=False).print(f"ready: {address}", soft_wrap=True)


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
