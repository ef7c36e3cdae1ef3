"""The study: `python -m benchmarks.study COLLECTIONS RUNS` makes every run of docs/study.md.

`benchmarks/study/parts.yaml` lists its parts, each a benchmark's command; each writes a folder of
`benchmarks/results/`, from which `make docs` draws the tables. A part is passed over whose results
are there by the same command, of the default that ships; one that was stopped goes on where it was.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from benchmarks.quality import RESULTS
from benchmarks.study.default import of_the_default, signed
from benchmarks.study.failures import record
from benchmarks.study.plots import draw
from reranker.cli.terminal import run_app
from reranker.errors import DataError, InputError
from reranker.files import write_atomically

PARTS = Path(__file__).with_name("parts.yaml")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@dataclass(frozen=True, slots=True)
class Part:
    """One benchmark's run; the first argument of a benchmark is the name of its results."""

    name: str
    benchmark: str
    arguments: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command, as its results tell it."""
        return shlex.join(["python", "-m", f"benchmarks.{self.benchmark}", *self.arguments])

    @property
    def results(self) -> Path:
        """The file that the benchmark writes."""
        return RESULTS / self.arguments[0] / "results.json"

    @property
    def done(self) -> bool:
        """Whether results of this very command, and of this default, are there."""
        if not self.results.is_file():
            return False
        found = json.loads(self.results.read_text("utf-8"))
        return bool(found["command"] == self.command) and of_the_default(found)

    def run(self) -> None:
        """Run the benchmark in a process of its own.

        Raises:
            DataError: where it fails.
        """
        argv = [sys.executable, "-m", f"benchmarks.{self.benchmark}", *self.arguments]
        status = subprocess.run(argv, check=False).returncode
        if status:
            raise DataError(
                f"part {self.name!r} ended with exit status {status}, for the reason above; the "
                "same command goes on from here"
            )
        self.sign()

    def sign(self) -> None:
        """Say in the results which default they are of."""
        found = json.loads(self.results.read_text("utf-8"))
        text = json.dumps(signed(found), indent=1, ensure_ascii=False)
        write_atomically(self.results, text + "\n")


def parts(text: str, folders: Mapping[str, str]) -> Iterator[Part]:
    """Read the list of parts, with the folders of collections and runs put in their places.

    Raises:
        DataError: for a part that is no command line.
    """
    for name, line in yaml.safe_load(text).items():
        words = [word.format_map(folders) for word in shlex.split(line)]
        if len(words) < 2:
            raise DataError(f"part {name!r} is not BENCHMARK NAME ARGUMENTS, found {line!r}")
        yield Part(name, words[0], tuple(words[1:]))


def chosen(found: list[Part], names: list[str]) -> list[Part]:
    """The parts of those names, in the study's order; all where there are none.

    Raises:
        InputError: for a part that there is not.
    """
    known = [part.name for part in found]
    if unknown := sorted(set(names) - set(known)):
        raise InputError(f"the study has no part {', '.join(unknown)}; it has {', '.join(known)}")
    return [part for part in found if not names or part.name in names]


@app.command()
def study(
    collections: Annotated[Path, typer.Argument(help="Folder of BEIR collections.")],
    runs: Annotated[Path, typer.Argument(help="Folder of first_stage/ and published/ runs.")],
    part: Annotated[list[str] | None, typer.Option(help="This part alone; repeatable.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Also parts that are done.")] = False,
) -> None:
    """Run the parts of the study that are not done."""
    folders = {"collections": str(collections), "runs": str(runs)}
    for one in chosen(list(parts(PARTS.read_text("utf-8"), folders)), part or []):
        if one.done and not fresh:
            console.print(f"{one.name}: done", highlight=False)
            continue
        console.print(f"{one.name}: {one.command}", highlight=False, markup=False, soft_wrap=True)
        one.run()
        _illustrate(one.arguments[0])
    console.print("make docs draws docs/study.md's tables from the results")


def _illustrate(name: str) -> None:
    """What a part's results are told by, beside its tables."""
    draw(name)
    if name == "study-domains":
        record(name)


def main() -> None:
    """Run the command line."""
    run_app(app)


if __name__ == "__main__":
    main()
