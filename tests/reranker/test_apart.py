"""Layouts whose passages do not read each other: what a passage's score may depend on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker import Reranker
from reranker.checkpoint import Checkpoint
from reranker.encoder import Encoder
from reranker.engine import Engine
from reranker.errors import EngineError
from reranker.levels import positions
from reranker.passage import Passage
from reranker.prompt import Prompt
from reranker.prompter import Prompter
from reranker.settings import Settings
from tests.tiny import tiny_model, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
PASSAGES = [Passage(text) for text in ("a fox", "the lazy dog sleeps on", "cats", "no " * 9)]


def prompter(layout: str) -> Prompter:
    return Prompter(Encoder(TOKENIZER), Settings(layout=layout), 2048)


PROMPTERS = {layout: prompter(layout) for layout in ("suffix", "set", "blocks", "cross")}
ENGINE = Engine(tiny_model(TOKENIZER), PROMPTERS["suffix"].identifiers.token_ids)

RERANKERS = {
    layout: Reranker(Checkpoint("tiny", tiny_model(TOKENIZER), TOKENIZER, Settings(layout=layout)))
    for layout in ("set", "blocks", "cross")
}


def prompt(layout: str, query: str, order: list[int], dealt: list[int]) -> Prompt:
    made = PROMPTERS[layout]
    return made.prompt(made.encode(query, PASSAGES), order, [dealt[place] for place in order])


def scores(made: Prompt, order: list[int]) -> list[float]:
    [found] = ENGINE.score([made])
    return [score for _, score in sorted(zip(order, found, strict=True))]


orders = st.permutations(range(4)).map(list)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["set", "blocks", "cross"]), orders, orders)
def test_scores_do_not_depend_on_the_order(layout: str, order: list[int], dealt: list[int]) -> None:
    expected = scores(prompt(layout, "what sleeps", [0, 1, 2, 3], dealt), [0, 1, 2, 3])
    found = scores(prompt(layout, "what sleeps", order, dealt), order)
    assert found == pytest.approx(expected, abs=1e-5)


def test_the_suffix_layout_depends_on_it() -> None:
    first, other = ([0, 1, 2, 3], [3, 1, 0, 2])
    one, two = (scores(prompt("suffix", "what", o, [0, 1, 2, 3]), o) for o in (first, other))
    assert one != pytest.approx(two, abs=1e-5)


def test_a_block_depends_on_its_passage_and_identifier_alone() -> None:
    one = prompt("blocks", "a query", [0, 1, 2], [4, 5, 6, 7])
    two = prompt("blocks", "another, longer query", [3, 1], [4, 5, 6, 7])
    assert one.prefix == two.prefix
    assert one.blocks[1] == two.blocks[1]
    assert one.closing != two.closing


def test_levels_are_prefix_blocks_and_closing() -> None:
    made = prompt("blocks", "a query", [0, 2], [0, 1, 2, 3])
    assert made.apart
    assert made.levels == (
        (len(made.prefix),),
        tuple(map(len, made.blocks)),
        (len(made.closing),),
    )
    plain = prompt("suffix", "a query", [0, 2], [0, 1, 2, 3])
    assert plain.levels == ((len(plain),),)


def test_only_layouts_that_read_the_query_last_let_queries_share_passages() -> None:
    assert PROMPTERS["suffix"].query_last
    assert PROMPTERS["blocks"].query_last
    assert not PROMPTERS["set"].query_last
    assert not PROMPTERS["cross"].query_last


def test_layouts_that_ask_the_query_after_the_passage_keep_the_same_passages() -> None:
    one, two = (prompt(name, "a query", [0, 1], [4, 5, 6, 7]) for name in ("blocks", "cross"))
    assert PROMPTERS["cross"].keeps
    assert not PROMPTERS["set"].keeps
    assert (one.prefix, one.passages) == (two.prefix, two.passages)
    other = prompt("cross", "another, longer query", [0, 1], [4, 5, 6, 7])
    assert (two.prefix, two.passages) == (other.prefix, other.passages)
    assert two.tail < other.tail


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["set", "blocks", "cross"]), orders)
def test_rankings_do_not_depend_on_the_order(layout: str, order: list[int]) -> None:
    reranker = RERANKERS[layout]
    expected = {ranked.passage: ranked.score for ranked in reranker.rank("what", PASSAGES)}
    found = reranker.rank("what", [PASSAGES[place] for place in order])
    assert [ranked.passage for ranked in found] == list(expected)
    assert {ranked.passage: ranked.score for ranked in found} == expected


def test_a_model_that_cannot_be_packed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENGINE, "packs", False)
    with pytest.raises(EngineError, match="cannot read passages apart"):
        ENGINE.score([prompt("blocks", "what", [0, 1], [0, 1])])


def test_the_context_limits_each_passage_and_not_their_sum() -> None:
    passages = [Passage(f"{number} " + "word " * 20) for number in range(30)]
    apart, suffix = (
        Prompter(Encoder(TOKENIZER), Settings(layout=layout, passage_tokens=1000), 256)
        for layout in ("blocks", "suffix")
    )
    made = apart.prompt(apart.encode("what", passages), range(30))
    assert made.cut == ()
    assert len(made) > 256
    assert max(positions(made.levels)) < 256
    assert len(suffix.prompt(suffix.encode("what", passages), range(6)).cut) == 6
    long = apart.prompt(apart.encode("what", [Passage("word " * 400)]), [0])
    assert long.cut == (0,)
    assert max(positions(long.levels)) == 255
