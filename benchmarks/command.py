"""The command that made a report."""

import shlex
import sys

DENSE_MODEL = "RERANKER_DENSE_MODEL"
"""The environment variable of a sentence-transformers model: its folder is no part of a command."""


def command_line(name: str) -> str:
    """The command line of this process, which runs the benchmark of that name."""
    return shlex.join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]])
