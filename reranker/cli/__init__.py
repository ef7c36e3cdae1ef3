"""The command line: `reranker rank | explain | index | doctor`.

Its modules import no model library until a command needs one, so that `--help` is quick.
"""


def main() -> None:
    """Run the command line, as the console script does."""
    from reranker.cli.app import app

    app(prog_name="reranker")
