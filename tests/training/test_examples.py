import logging
from dataclasses import replace

import pytest

from reranker.encoder import Encoder
from reranker.passage import Passage
from reranker.prompter import Prompter
from reranker.settings import Settings
from tests.tiny import tiny_tokenizer
from training.errors import TrainingError
from training.examples import Examples, Separators
from training.mixture import Mixture, Source
from training.row import Judged, Row
from training.window import Sizes


def row(query, words=12):
    passages = tuple(Passage(f"{'word ' * words}{place}") for place in range(4))
    return Row(query, passages, (0.0, 2.0, 0.0, 1.0))


def examples(rows, *, separators=None, context=2048, lengths=None, count=20, queries=1, sizes=None):
    prompter = Prompter(Encoder(tiny_tokenizer()), Settings(layout="suffix"), context)
    mixture = Mixture([Source(rows)], sizes=sizes or Sizes(2, 4), identifiers=30, queries=queries)
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
        [branch] = example.branches
        assert set(example.identifier_ids) <= set(example.shared[0][0])
        assert len(branch.labels) == len(example.identifier_ids)
        assert max(branch.labels) > min(branch.labels)


@pytest.mark.parametrize("layout", ["suffix", "blocks", "cross"])
def test_where_none_are_drawn_the_first_identifiers_stand_in_order(layout):
    """Passages, their identifiers and their labels stay together."""
    prompter = Prompter(Encoder(tiny_tokenizer()), Settings(layout=layout), 2048)
    texts = ("cats", "dogs", "an owl", "bees")
    whole = Row("a", tuple(map(Passage, texts)), (0.0, 2.0, 0.0, 1.0))
    mixture = Mixture([Source([whole])], sizes=Sizes(4, 4))
    example = Examples(mixture, prompter, lengths=Sizes(16, 16), count=1)[0]
    row = mixture.window(0).row
    assert example.identifier_ids == prompter.identifiers.token_ids[:4]
    assert example.branches[0].labels == row.labels()
    if layout != "suffix":
        read = [prompter.encode("a", [passage]).passages[0].token_ids for passage in row.passages]
        blocks = example.shared[1]
        assert [block[: len(ids)] for block, ids in zip(blocks, read, strict=True)] == read


def test_passages_are_cut_where_the_recipe_says():
    short, long = (examples([row("a")], lengths=Sizes(n, n), count=9) for n in (4, 16))
    for index in range(9):
        passages = len(short[index].identifier_ids)
        assert len(long[index]) - len(short[index]) == 12 * passages


def test_the_answer_names_the_best_first():
    tokenizer = tiny_tokenizer()
    encoder = Encoder(tokenizer)
    separators = Separators(encoder.literal("] > ["), encoder.literal("]"))
    for example in examples([row("a")], separators=separators):
        [branch] = example.branches
        target = branch.target
        assert target is not None
        names = {i: tokenizer.decode([i]) for i in example.identifier_ids}
        order = sorted(range(len(branch.labels)), key=lambda place: -branch.labels[place])
        wanted = "] > [".join(names[example.identifier_ids[place]] for place in order) + "]"
        assert tokenizer.decode(list(target.token_ids)) == wanted
        ranked = [i for i, rank in enumerate(target.ranks) if rank]
        assert [target.ranks[i] for i in ranked] == list(range(1, len(order) + 1))
        assert [target.token_ids[i] for i in ranked] == [
            example.identifier_ids[place] for place in order
        ]


def test_every_query_of_a_row_gets_a_branch_as_it_would_alone():
    others = (Judged("a fox", (0.0, 0.0, 1.0, 0.0)), Judged("all", (1.0, 0.0, 0.0, 0.0)))
    asked = replace(row("a dog"), others=others)
    for number in range(9):
        example = examples([asked], queries=3, sizes=Sizes(4, 4))[number]
        alone = [
            examples([replace(asked, query=query, others=())], sizes=Sizes(4, 4))[number]
            for query in ("a dog", "a fox", "all")
        ]
        assert [e.shared for e in alone] == [example.shared] * 3
        found = {branch.token_ids for branch in example.branches}
        assert found == {e.branches[0].token_ids for e in alone}
        assert all(sum(branch.labels) == 1 for branch in example.branches[1:])


def test_a_window_that_does_not_fit_gives_way_to_the_next(caplog):
    rows = [row("a"), row("a very long query " * 12)]
    with caplog.at_level(logging.WARNING):
        found = [example for example in examples(rows, context=160)]  # noqa: C416 - by __getitem__
    assert len(found) == 20
    assert all(len(example) <= 160 for example in found)
    assert "skipped: a window of" in caplog.text


def test_where_no_window_fits_the_run_stops():
    with pytest.raises(TrainingError, match="windows 0 to 15 do not fit"):
        examples([row("a")], context=20)[0]
