"""A tiny writer of queries, a scripted one, and passages for both."""

from collections.abc import Sequence

from data.synthesis.prompt import EXAMPLES, Example
from data.synthesis.writer import Answers, QueryWriter, Writing
from reranker.checkpoint import Checkpoint
from reranker.passage import Passage
from tests.tiny import tiny_model, tiny_tokenizer

PASSAGES = [Passage(f"passage {n}", f"p{n}") for n in range(5)]
PIECES = ("fox", "dog", "cat")
FOXES = Passage("The quick brown fox jumps over the lazy dog.", "fox", "A tale of foxes")


def writer(
    how: Writing | None = None, examples: Sequence[Example] = EXAMPLES, **template: str | None
) -> QueryWriter:
    tokenizer = tiny_tokenizer()
    for name, value in template.items():
        setattr(tokenizer, name, value)
    how = how or Writing(new_tokens=6, temperature=1.0)
    return QueryWriter(Checkpoint("tiny", tiny_model(tokenizer), tokenizer, None), how, examples)


class Scripted:
    """A writer whose answers are given; it counts the batches that it writes."""

    def __init__(self, *answers: Answers) -> None:
        self.answers, self.batches = answers, list[int]()

    def rows(self, passages: Sequence[Passage]) -> list[tuple[int, ...]]:
        return [tuple(passage.text.encode()) for passage in passages]

    def key(self, rows: Sequence[tuple[int, ...]], number: int) -> str:
        return f"{number} {list(rows)}"

    def write(self, rows: Sequence[tuple[int, ...]], number: int) -> list[Answers]:
        self.batches.append(number)
        return [self.answers[2 * number + place] for place in range(len(rows))]
