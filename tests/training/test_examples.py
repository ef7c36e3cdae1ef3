import logging

import pytest

from reranker.encoder import Encoder
from reranker.passage import Passage
from reranker.prompter import Prompter
from reranker.settings import Settings
from tests.tiny import tiny_tokenizer
from training.errors import TrainingError
from training.examples import Examples, Separators
from training.mixture import Mixture, Source
from training.row import Row
from training.window import Sizes


def row(query, words=12):
    passages = tuple(Passage(f"{'word ' * words}{place}") for place in range(4))
    return Row(query, passages, (0.0, 2.0, 0.0, 1.0))


def examples(rows, *, separators=None, context=2048, lengths=None, count=20):
    prompter = Prompter(Encoder(tiny_tokenizer()), Settings(layout="suffix"), context)
    mixture = Mixture([Source(rows)], sizes=Sizes(2, 4), identifiers=30)
    lengths = lengths or Sizes(4, 16)
    return Examples(mixture, prompter, lengths=lengths, count=count, separators=separators)


def test_an_example_depends_on_its_number_alone():
    first, second = examples([row("a"), row("b")]), examples([row("a"), row("b")])
    assert [second[i] for i in reversed(range(20))][::-1] == [first[i] for i in range(20)]
    assert len(first) == 20
    with pytest.raises(IndexError):
        first[20]


def test_identifiers_and_lengths_are_drawn_and_stand_in_the_prompt():
    found = [example for example in examples([row("a")])]  # noqa: C416 - by __getitem__
    assert len({len(example) for example in found}) > 4
    assert len({i for example in found for i in example.identifier_ids}) > 15
    for example in found:
        assert set(example.identifier_ids) <= set(example.token_ids)
        assert len(example.labels) == len(example.identifier_ids)
        assert max(example.labels) > min(example.labels)


def test_passages_are_cut_where_the_recipe_says():
    short, long = (examples([row("a")], lengths=Sizes(n, n), count=9) for n in (4, 16))
    for index in range(9):
        passages = len(short[index].labels)
        assert len(long[index]) - len(short[index]) == 12 * passages


def test_the_answer_names_the_best_first():
    tokenizer = tiny_tokenizer()
    encoder = Encoder(tokenizer)
    separators = Separators(encoder.literal("] > ["), encoder.literal("]"))
    for example in examples([row("a")], separators=separators):
        assert example.target is not None
        names = {i: tokenizer.decode([i]) for i in example.identifier_ids}
        order = sorted(range(len(example.labels)), key=lambda place: -example.labels[place])
        wanted = "] > [".join(names[example.identifier_ids[place]] for place in order) + "]"
        assert tokenizer.decode(list(example.target.token_ids)) == wanted
        ranked = [i for i, rank in enumerate(example.target.ranks) if rank]
        assert [example.target.ranks[i] for i in ranked] == list(range(1, len(order) + 1))
        assert [example.target.token_ids[i] for i in ranked] == [
            example.identifier_ids[place] for place in order
        ]


def test_a_window_that_does_not_fit_gives_way_to_the_next(caplog):
    rows = [row("a"), row("a very long query " * 12)]
    with caplog.at_level(logging.WARNING):
        found = [example.token_ids for example in examples(rows, context=160)]
    assert len(found) == 20
    assert all(len(tokens) <= 160 for tokens in found)
    assert "skipped: a window of" in caplog.text


def test_where_no_window_fits_the_run_stops():
    with pytest.raises(TrainingError, match="windows 0 to 15 do not fit"):
        examples([row("a")], context=20)[0]
