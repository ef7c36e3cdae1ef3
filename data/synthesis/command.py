"""The command of synthetic queries: `python -m data synthesize NAME --output FOLDER`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data.beir import write_beir
from data.collections import load
from data.dense import DEFAULT_MODEL
from data.first_stage import EXPECTED, retrieve
from data.synthesis.asking import answered, collected, drawn, is_empty, readable
from data.synthesis.cleaning import Cleaner, Fault
from data.synthesis.prompt import EXAMPLES, Example, read_examples
from data.synthesis.round_trip import found_again, reranked
from data.synthesis.work import WorkFile
from data.synthesis.writer import Answers, QueryWriter, Writing
from reranker.checkpoint import load as load_model
from reranker.collection import Collection
from reranker.embedded import EMBEDDED_NAME
from reranker.errors import DataError
from reranker.passage import Passage

SPLIT = "train"
DEFAULT_RERANKER = "default"
_WRITTEN, _RANKED = "written.jsonl", "reranked.jsonl"

console = Console()


def synthesize(
    name: Annotated[str, typer.Argument(help="A collection, as for search; judged or not.")],
    output: Annotated[Path, typer.Option(help="Folder to write, in BEIR layout, for mine.")],
    split: Annotated[
        str | None, typer.Option(help="Only to read NAME; nothing of it is used.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="The causal language model that writes: a name or folder.")
    ] = EMBEDDED_NAME,
    limit: Annotated[int, typer.Option(help="Passages to ask about, drawn.", min=1)] = 300,
    each: Annotated[int, typer.Option(help="Queries written of a passage.", min=1)] = 1,
    examples: Annotated[
        Path | None,
        typer.Option(help='Worked examples in place of ours, {"passage": …, "query": …} a line.'),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Ask in plain text, not in the model's chat template.")
    ] = False,
    passage_tokens: Annotated[int, typer.Option(help="Where passages are cut.", min=1)] = 192,
    new_tokens: Annotated[int, typer.Option(help="The most tokens of a query.", min=1)] = 48,
    temperature: Annotated[float, typer.Option(help="Of the draw; 0: the best token.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Likelihood of the tokens drawn from.")] = 0.9,
    batch: Annotated[int, typer.Option(help="Passages asked about at a time.", min=1)] = 8,
    least: Annotated[int, typer.Option(help="Characters of a query, at least.", min=1)] = 12,
    most: Annotated[int, typer.Option(help="Characters of a query, at most.", min=1)] = 200,
    first_stage: Annotated[str, typer.Option(help=f"For the round trip: {EXPECTED}.")] = "bm25",
    within: Annotated[
        int, typer.Option(help="The first stage finds the passage within so many.", min=1)
    ] = 10,
    reranker: Annotated[
        str | None, typer.Option(help="Ranks those again: 'default', or a folder or name.")
    ] = None,
    reranked_within: Annotated[
        int, typer.Option(help="The reranker has the passage within so many.", min=1)
    ] = 3,
    dense_model: Annotated[
        str, typer.Option(help="A sentence-transformers model.")
    ] = DEFAULT_MODEL,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
) -> None:
    """Write queries for an unjudged corpus with a language model; keep those that find back."""
    how = Writing(
        each=each,
        passage_tokens=passage_tokens,
        new_tokens=new_tokens,
        temperature=temperature,
        top_p=top_p,
        plain=plain,
        seed=seed,
    )
    worked = EXAMPLES if examples is None else read_examples(examples)
    cleaner = Cleaner(least=least, most=most, known=[example.query for example in worked])
    _check_output(output)
    corpus = readable(load(name, split))
    ids = drawn(corpus.passages, limit, seed)
    asked = [corpus.passages[id_] for id_ in ids]
    answers = _answers(model, how, worked, asked, batch, WorkFile(output / _WRITTEN))
    written, faults = collected(corpus, ids, answers, cleaner)
    run = retrieve(written, first_stage, within, dense_model=dense_model)
    found = kept = found_again(written, run)
    if reranker is not None:
        judge = None if reranker == DEFAULT_RERANKER else reranker
        run = reranked(found, run, judge, WorkFile(output / _RANKED)).top(reranked_within)
        kept = found_again(found, run)
    _show(
        {
            "passages asked about": len(ids),
            "empty passages, left out": sum(map(is_empty, corpus.passages.values())),
            "queries written": len(ids) * each,
            **{fault.value: faults[fault] for fault in Fault},
            f"not found again by {first_stage}": len(written.queries) - len(found.queries),
            "ranked too low by the reranker": len(found.queries) - len(kept.queries),
            "kept": len(kept.queries),
        }
    )
    _write(kept, output)


def _check_output(folder: Path) -> None:
    """Refuse a folder with a collection of someone else's."""
    theirs = [folder / f"corpus.jsonl{suffix}" for suffix in ("", ".gz")]
    if any(path.exists() for path in theirs) and not (folder / _WRITTEN).exists():
        raise DataError(f"{folder} holds a collection that is not synthetic; give another --output")


def _answers(
    model: str,
    how: Writing,
    examples: Sequence[Example],
    passages: Sequence[Passage],
    batch: int,
    work: WorkFile,
) -> list[Answers]:
    """What the model writes; it is gone before another one ranks."""
    writer = QueryWriter(load_model(model), how, examples)
    return list(answered(writer, passages, batch, work))


def _show(counts: Mapping[str, int]) -> None:
    table = Table(show_header=False)
    for what, count in counts.items():
        table.add_row(escape(what), f"{count:,}")
    console.print(table)


def _write(collection: Collection, folder: Path) -> None:
    if not collection.queries:
        raise DataError(
            f"no query was kept; read what was written in {folder / _WRITTEN}, and give a larger "
            "model, examples of your own, or more --within"
        )
    # Until the new ones are there, no judgments of other queries.
    (folder / "qrels" / f"{SPLIT}.tsv").unlink(missing_ok=True)
    write_beir(collection, folder, split=SPLIT)
    console.print(f"{escape(repr(collection))} written to {escape(str(folder))}")
