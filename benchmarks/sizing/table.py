"""Sizing as a table: `python -m benchmarks.sizing.table [--rate 5 --candidates 20 …]`.

Without options the worked examples of `docs/sizing.md`, in Markdown; with `--rate` a demand of your
own, on every hardware or on one that you have measured.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.sizing.__main__ import Demand, Hardware, Model, Plan, plan
from benchmarks.tables import table
from reranker.cli.terminal import run_app

SMALL = Model(name="135M", parameters=106.2e6, layers=30, width=576, kept_width=192)
LARGE = Model(name="7B", parameters=6.98e9, layers=32, width=4096, kept_width=1024)
MODELS = (SMALL, LARGE)

# The speed is that of benchmarks/results/serve; all else of processors and prices is an assumption.
CORE_TOKENS_PER_SECOND = 250.0
CORE_WINDOW_TOKENS = 300.0
CORE = Hardware(
    name="a CPU core", operations=80e9, used=0.4, moved=5e9, dollars=0.05
).with_tokens_per_second(CORE_TOKENS_PER_SECOND, SMALL, CORE_WINDOW_TOKENS)
L4 = Hardware(name="L4", operations=121e12, used=0.3, moved=25e9, dollars=0.8)
A100 = Hardware(name="A100", operations=312e12, used=0.3, moved=25e9, dollars=2.0)
H100 = Hardware(name="H100", operations=989e12, used=0.3, moved=50e9, dollars=3.0)
HARDWARE = (CORE, L4, A100, H100)

HEADER = (
    "case", "model", "on", "q/s", "candidates", "tokens a query", "engine, ms", "replicas",
    "machines", "busy", "p95, s", "queue, windows", "$ a million",
)  # fmt: skip

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Case = tuple[str, Demand, Model, Hardware]


def examples() -> list[Case]:
    """The worked examples: a shop, a help centre and a web search engine."""
    shop = Demand(queries_per_second=5, candidates=20, passage_tokens=60)
    centre = Demand(
        queries_per_second=1, candidates=50, passage_tokens=120, strategy="sliding", variation=0.5
    )
    few = Demand(queries_per_second=50_000, candidates=20)
    many = Demand(queries_per_second=50_000, candidates=100)
    web = [
        (f"web, {name}", demand, model, H100)
        for model in MODELS
        for name, demand in (
            ("top 20", few),
            ("top 100", many),
            ("top 20, kept", _kept(few)),
            ("top 100, kept", _kept(many)),
        )
    ]
    return [
        ("shop", shop, SMALL, CORE),
        ("shop", shop, SMALL, L4),
        ("shop", shop, LARGE, L4),
        ("help centre", centre, SMALL, CORE),
        ("help centre", centre, LARGE, A100),
        *web,
    ]


def lines(cases: Sequence[Case]) -> str:
    """The cases as a Markdown table; a star marks hardware whose speed was measured."""
    return table(HEADER, (_row(case) for case in cases))


def _row(case: Case) -> list[str]:
    name, demand, model, hardware = case
    found: Plan = plan(demand, model, hardware)
    return [
        name,
        model.name,
        hardware.name + ("*" if hardware.measured else ""),
        f"{demand.queries_per_second:,g}",
        f"{demand.candidates} of {demand.passage_tokens:g}",
        f"{found.reading.tokens:,.0f}",
        f"{1000 * found.engine:,.1f}",
        f"{found.replicas:,}",
        f"{found.machines:,}",
        f"{found.busy:.2f}",
        f"{found.slow:.2f}",
        f"{found.queue:.1f}",
        f"{found.dollars:,.2f}",
    ]


def _kept(demand: Demand) -> Demand:
    """The same demand with nine passages of ten in a cache."""
    return replace(demand, kept=0.9)


@app.command()
def sizing(
    rate: Annotated[float | None, typer.Option(help="Queries a second; examples if none.")] = None,
    candidates: Annotated[int, typer.Option(help="Of a query.", min=1)] = 20,
    passage_tokens: Annotated[float, typer.Option(help="Of a passage, on average.")] = 100.0,
    query_tokens: Annotated[float, typer.Option(help="Of a query.")] = 12.0,
    strategy: Annotated[str, typer.Option(help="sliding, full or partition.")] = "full",
    kept: Annotated[float, typer.Option(help="Share of passages in a cache, 0 to 1.")] = 0.0,
    asks: Annotated[bool, typer.Option(help="Every passage is asked the query: cross.")] = False,
    model: Annotated[str, typer.Option(help="135M or 7B.")] = SMALL.name,
    tokens_per_second: Annotated[
        float | None, typer.Option(help="Measured on your own hardware, of that model.")
    ] = None,
    dollars: Annotated[float, typer.Option(help="An hour of that hardware.")] = 1.0,
) -> None:
    """Replicas, queue and cost of a demand."""
    cases = examples()
    if rate is not None:
        demand = Demand(
            queries_per_second=rate,
            candidates=candidates,
            passage_tokens=passage_tokens,
            query_tokens=query_tokens,
            strategy=strategy,
            kept=kept,
            asks=asks,
        )
        read = _model(model)
        cases = [
            ("yours", demand, read, each) for each in _hardware(tokens_per_second, dollars, read)
        ]
    Console(highlight=False, soft_wrap=True).print(lines(cases), markup=False)


def _model(name: str) -> Model:
    known = {each.name: each for each in MODELS}
    if name not in known:
        raise typer.BadParameter(f"no model {name!r}; known are {', '.join(known)}")
    return known[name]


def _hardware(speed: float | None, dollars: float, model: Model) -> Sequence[Hardware]:
    if speed is None:
        return HARDWARE
    own = Hardware(name="measured", operations=1.0, used=1.0, moved=10e9, dollars=dollars)
    return [own.with_tokens_per_second(speed, model, CORE_WINDOW_TOKENS)]


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
