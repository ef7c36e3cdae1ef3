"""Servers under load, side by side: `python -m benchmarks.serve NAME [--server plain …]`.

The service, with Ray and without, against a plain server of one request at a time and against
`@serve.batch`, all over the same model: the overhead at one client, the throughput of clients that
never wait, latency and throughput in open loop, and what an overload does. Writes `serve.json`,
`README.md` and `serve.png` into `benchmarks/results/NAME/`.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.command import command_line
from reranker.cli.terminal import run_app
from reranker.files import write_atomically

if TYPE_CHECKING:
    from benchmarks.serve.figures import Overload, Trial
    from benchmarks.serve.report import ServeReport
    from benchmarks.serve.servers import Server
    from benchmarks.serve.trial import Trials
    from reranker.reranker import Reranker

RESULTS = Path("benchmarks/results")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, and how long.

    Args:
        servers: by name, in the order of their turns; the first gives the capacity.
        loads: offered in open loop, in capacities.
        seconds: that requests are sent for at each load.
        patience: seconds after which a client leaves.
        rounds: turns of each server.
        requests, clients: of the closed loop.
        pairs: requests of the overhead.
        overload: offered in the overload, in capacities; 0 leaves it out.
        overload_seconds: that it lasts.
        long_share: of the requests, 0 to 1.
    """

    servers: Sequence[str]
    loads: Sequence[float]
    seconds: float = 60.0
    patience: float = 20.0
    rounds: int = 1
    requests: int = 16
    clients: int = 8
    pairs: int = 15
    overload: float = 4.0
    overload_seconds: float = 60.0
    long_share: float = 0.15


@app.command()
def serve(
    name: Annotated[str, typer.Argument(help="Name of the results' folder.")],
    server: Annotated[
        list[str] | None, typer.Option(help="plain, batch, queue or ray; repeatable. [all]")
    ] = None,
    model: Annotated[str, typer.Option(help="A model's name or folder, or 'default'.")] = "default",
    load: Annotated[
        list[float] | None,
        typer.Option(help="Offered, in capacities of one request at a time. [0.7 and 1.3]"),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of each load.", min=1)] = 60.0,
    patience: Annotated[float, typer.Option(help="Seconds until a client leaves.")] = 20.0,
    rounds: Annotated[int, typer.Option(help="Turns of each server.", min=1)] = 1,
    requests: Annotated[int, typer.Option(help="Requests in closed loop.", min=1)] = 16,
    clients: Annotated[int, typer.Option(help="Clients in closed loop.", min=1)] = 8,
    pairs: Annotated[int, typer.Option(help="Requests to find the overhead.", min=1)] = 15,
    overload: Annotated[float, typer.Option(help="In capacities; 0 for none.", min=0)] = 4.0,
    overload_seconds: Annotated[float, typer.Option(help="Of the overload.", min=1)] = 60.0,
    long_share: Annotated[float, typer.Option(help="Of long requests.", min=0, max=1)] = 0.15,
    setting: Annotated[
        list[str] | None, typer.Option(help="A setting to override, NAME=VALUE, e.g. window=10.")
    ] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Tokens of a pass.", min=1)] = None,
    queue_seconds: Annotated[
        float | None, typer.Option(help="Seconds of work that may wait; the service's default.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
) -> None:
    """Measure servers under load, on loopback."""
    from benchmarks.quality import parse_settings
    from benchmarks.serve.process import NAMES

    plan = Plan(
        servers=server or NAMES,
        loads=load or (0.7, 1.3),
        seconds=seconds,
        patience=patience,
        rounds=rounds,
        requests=requests,
        clients=clients,
        pairs=pairs,
        overload=overload,
        overload_seconds=overload_seconds,
        long_share=long_share,
    )
    options = {
        "model": None if model == "default" else model,
        "dtype": dtype,
        "overrides": parse_settings(setting or []),
        "batch_tokens": batch_tokens,
        "limits": queue_seconds and {"max_queued_s": queue_seconds},
    }
    given = {name: value for name, value in options.items() if value}
    report = measure(name, plan, given)
    write(report, RESULTS / name)
    console.print(f"written to {escape(str(RESULTS / name))}")


def measure(name: str, plan: Plan, options: Mapping[str, object]) -> "ServeReport":
    """Start the servers, put them to all trials, and stop them.

    Args:
        name: of the report.
        plan: what to measure.
        options: settings of the service, by name.

    Raises:
        RerankerError: for a server that does not start, or settings that make no sense.
    """
    import torch

    from benchmarks.serve.servers import running

    with running(plan.servers, options, threads=torch.get_num_threads()) as servers:
        return asyncio.run(_measured(name, plan, servers, options))


async def _measured(
    name: str, plan: Plan, servers: "Sequence[Server]", options: Mapping[str, object]
) -> "ServeReport":
    import torch

    from benchmarks.serve.load import client
    from benchmarks.serve.load_mix import embedded_mix
    from benchmarks.serve.report import ServeReport
    from benchmarks.serve.trial import Trials
    from benchmarks.speed.report import load_average
    from serve.configuration import read_settings
    from serve.loader import Loader

    before, reranker = load_average(), Loader()(read_settings(**options), None)
    mix = embedded_mix(plan.long_share)
    async with client() as http:
        trials = Trials(http, mix, reranker, plan.patience, _say)
        overheads = await trials.overhead(servers, plan.pairs)
        closed = await trials.saturated(servers, plan.requests, plan.clients, plan.rounds)
        return ServeReport(
            name=name,
            command=command_line("serve"),
            model=reranker.name,
            servers=plan.servers,
            overheads=overheads,
            closed=closed,
            opened=await _opened(plan, trials, servers, closed),
            overloads=await _overloaded(plan, trials, servers, closed),
            settings=_settings(reranker, options),
            threads=torch.get_num_threads(),
            load_average=before,
        )


def _settings(reranker: "Reranker", options: Mapping[str, object]) -> dict[str, object]:
    """The settings in force, a template by its presence alone."""
    found = asdict(reranker.settings)
    found["template"] = bool(found["template"])
    limits = options.get("limits", {})
    return {**found, "batch_tokens": reranker.engine.batch_tokens, "limits": limits}


async def _opened(
    plan: Plan, trials: "Trials", servers: "Sequence[Server]", closed: "Sequence[Trial]"
) -> "list[Trial]":
    capacity = trials.capacity(_middle(closed, plan.servers[0]))
    found = []
    for load in plan.loads:
        found += await trials.offered(servers, load, capacity, plan.seconds, plan.rounds)
    return found


async def _overloaded(
    plan: Plan, trials: "Trials", servers: "Sequence[Server]", closed: "Sequence[Trial]"
) -> "list[Overload]":
    """An overload of this project's own; of the one nearest to how it is run."""
    from benchmarks.serve.report import OURS

    own = [each for each in servers if each.name in OURS]
    if not (plan.overload and own):
        return []
    found = _middle(closed, own[-1].name)
    return [await trials.overload(own[-1], plan.overload, found, plan.overload_seconds)]


def _middle(closed: "Sequence[Trial]", server: str) -> "Trial":
    """A server's trial of median throughput."""
    trials = {each.throughput: each for each in closed if each.server == server}
    return trials[median_low(trials)]


def write(report: "ServeReport", folder: Path) -> None:
    """Write a report as JSON, Markdown and a plot."""
    from benchmarks.serve.report import markdown, plot

    text = json.dumps(report.to_dict(), indent=1, default=str, ensure_ascii=False)
    write_atomically(folder / "serve.json", text + "\n")
    write_atomically(folder / "README.md", markdown(report))
    if report.opened:
        plot(report, folder / "serve.png")


def _say(text: str) -> None:
    console.print(escape(text))


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
