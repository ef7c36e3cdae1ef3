import gzip
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.decoding.generation import (
    Continuation,
    GeneratingReranker,
    Tally,
    Writer,
    Written,
    parsed,
    twin,
)
from benchmarks.speed.contestants import Contestants, PlainModel
from reranker.checkpoint import Checkpoint
from reranker.encoder import Encoder
from reranker.errors import InputError, NonFiniteLogitsError, SettingsError
from reranker.passage import Passage
from reranker.prompt import Prompt
from reranker.prompter import Prompter
from reranker.reranker import Reranker
from tests.tiny import tiny_model, tiny_tokenizer

SHARED = Path(__file__).resolve().parents[3] / "shared" / "training"
NUMBERS = [str(number) for number in range(1, 21)]


def tiny_checkpoint(seed: int = 0) -> Checkpoint:
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer, seed=seed).requires_grad_(False)
    model.config.use_cache = False
    return Checkpoint("tiny", model, tokenizer, None)


def candidates(count: int) -> list[Passage]:
    return [Passage(f"Fact {n}: {'sand' * (n % 4 + 1)}.", str(n)) for n in range(count)]


def window(reranker: Reranker, count: int, query: str = "What is known?") -> Prompt:
    encoder = Encoder(tiny_tokenizer())
    prompter = Prompter(encoder, reranker.settings, 2048)
    return prompter.prompt(prompter.encode(query, candidates(count)), range(count))


@pytest.fixture(scope="module", params=["listwise", "suffix"])
def reranker(request: pytest.FixtureRequest) -> Reranker:
    return Reranker(tiny_checkpoint(), layout=request.param, window=6, stride=3)


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer(tiny_checkpoint())


@pytest.mark.parametrize("layout", ["listwise", "suffix"])
def test_the_first_choice_is_that_of_the_first_tokens_logits(layout: str) -> None:
    found = []
    for seed in range(5):
        own = tiny_checkpoint(seed)
        write = Writer(twin(own)).constrained
        reranker = Reranker(own, layout=layout, window=6, stride=3)
        prompt = window(reranker, 6)
        [logits] = reranker.engine.score([prompt])
        found.append(write(prompt).ranking[0])
        assert found[-1] == logits.index(max(logits))
    # Otherwise a constant would do.
    assert len(set(found)) > 1


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.text(min_size=1).filter(str.strip))
def test_a_constrained_answer_is_a_permutation(
    reranker: Reranker, writer: Writer, count: int, query: str
) -> None:
    try:
        prompt = window(reranker, count, query)
    except InputError:
        return
    written = writer.constrained(prompt)
    assert sorted(written.ranking) == list(range(count))
    assert (written.named, written.malformed, written.passes) == (count, False, count - 1)
    assert written.tokens == writer.permutation_tokens(count)


def test_each_constrained_choice_is_the_likeliest_that_is_left(writer: Writer) -> None:
    reranker = Reranker(tiny_checkpoint(), layout="suffix", window=6, stride=3)
    prompt = window(reranker, 5)
    plain, encoder = PlainModel(tiny_checkpoint()), Encoder(tiny_tokenizer())
    text, expected, left = list(prompt.token_ids), [], list(range(5))
    while left:
        logits = plain.forward(plain.tensor(text))[0, -1]
        best = max(left, key=lambda place: float(logits[prompt.identifier_ids[place]]))
        left.remove(best)
        expected.append(best)
        text += [prompt.identifier_ids[best], *encoder.literal("] > [")]
    assert writer.constrained(prompt).ranking == tuple(expected)


def test_greedy_writes_what_transformers_generates(reranker: Reranker, writer: Writer) -> None:
    prompt = window(reranker, 4)
    plain, encoder = PlainModel(tiny_checkpoint()), Encoder(tiny_tokenizer())
    tokens = writer.permutation_tokens(4)
    runners = Contestants(reranker, plain, encoder, 2048)
    assert tokens == runners.permutation_tokens(prompt)
    generated = plain.generate(plain.tensor(prompt.token_ids), tokens)[0, len(prompt) :].tolist()
    found = writer.greedy(prompt)
    text = "[" + encoder.decode(generated)
    assert found == parsed(text, prompt.identifiers, tokens=tokens, passes=tokens)


def test_greedy_is_parsed_from_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that always says the same, from whatever it is fed."""
    reranker = Reranker(tiny_checkpoint(), layout="suffix", window=3, stride=1)
    prompt, tokenizer = window(reranker, 3), tiny_tokenizer()
    said = iter(tokenizer.encode("C] > [A] > [B]", add_special_tokens=False))

    def feed(row: Continuation, tokens: list[int]) -> torch.Tensor:
        row.passes += 1
        logits = torch.zeros(len(tokenizer))
        logits[tokenizer.eos_token_id] = 9.0  # an end that comes too soon is not taken
        logits[next(said)] = 1.0
        return logits

    monkeypatch.setattr(Continuation, "feed", feed)
    written = Writer(tiny_checkpoint()).greedy(prompt)
    assert written == Written((2, 0, 1), named=3, tokens=written.passes, passes=written.passes)
    assert next(said, None) is None


@pytest.mark.parametrize(
    ("text", "ranking", "named", "malformed"),
    [
        ("[B] > [A] > [C]", (1, 0, 2), 3, False),
        ("[B] > [B] > [C]", (1, 2, 0), 2, True),
        ("[Z] > [C] > [", (2, 0, 1), 1, True),
        ("[C]", (2, 0, 1), 1, True),
        ("[", (0, 1, 2), 0, True),
        ("[the passages are all", (0, 1, 2), 0, True),
        ("[C] > [A] > [B] > [A]", (2, 0, 1), 3, True),
    ],
)
def test_malformed_answers_are_mended(
    text: str, ranking: tuple[int, ...], named: int, malformed: bool
) -> None:
    found = parsed(text, ["A", "B", "C"], tokens=9, passes=8)
    assert found == Written(ranking, named, 9, 8, malformed)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs shared/training")
def test_real_answers_become_permutations() -> None:
    malformed = total = 0
    with gzip.open(SHARED / "raw_llm_ranking_outputs.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            found = parsed(json.loads(line)["response"], NUMBERS, tokens=0, passes=0)
            assert sorted(found.ranking) == list(range(20))
            malformed += found.malformed
            total += 1
    assert (total, malformed) == (3389, 1567)


def test_ways_rank_over_the_same_windows(reranker: Reranker, writer: Writer) -> None:
    passages = candidates(14)
    expected = reranker.rank("What is known?", passages).explain()
    for write in (writer.greedy, writer.constrained):
        ranking, tally = GeneratingReranker(reranker, write).rank("What is known?", passages)
        assert sorted(passage.id for passage in ranking) == sorted(str(p.id) for p in passages)
        explained = ranking.explain()
        assert len(explained.windows) == len(expected.windows) == tally.answers == 4
        assert {len(w.candidates) for w in explained.windows} == {6, 5}
        # The first window is the same; later ones hold what earlier ones moved up.
        assert explained.windows[0].prompt == expected.windows[0].prompt
        assert tally.passages == 6 + 6 + 6 + 5
        assert tally.tokens == sum(writer.permutation_tokens(n) for n in (6, 6, 6, 5))


def test_a_permutation_is_the_order_of_its_window(reranker: Reranker, writer: Writer) -> None:
    passages = candidates(6)
    ranking, _ = GeneratingReranker(reranker, writer.constrained).rank("What is known?", passages)
    expected = writer.constrained(window(reranker, 6)).ranking
    assert tuple(passage.index for passage in ranking) == expected
    scores = [passage.score for passage in ranking]
    assert scores == sorted(scores, reverse=True)


def test_windows_slide_over_what_was_written(reranker: Reranker) -> None:
    def backwards(prompt: Prompt) -> Written:
        count = len(prompt.identifiers)
        return Written(tuple(reversed(range(count))), count, tokens=1, passes=1)

    generating = GeneratingReranker(reranker.with_settings(prior=0.7), backwards)
    [ranking] = generating.rank_many(["q"], [candidates(9)], progress=False)
    # 3 to 8 are turned round, then 0, 1, 2, 8, 7, 6: a window of 6 with a stride of 3.
    assert [passage.index for passage in ranking] == [6, 7, 8, 2, 1, 0, 5, 4, 3]


@pytest.mark.parametrize("layout", ["cross", "blocks", "set"])
def test_passages_that_are_read_apart_are_refused(layout: str, writer: Writer) -> None:
    apart = Reranker(tiny_checkpoint(), layout=layout, window=6, stride=3)
    with pytest.raises(SettingsError, match="read apart from each other"):
        GeneratingReranker(apart, writer.greedy)


def test_tallies_are_sums() -> None:
    written = [
        Written((0, 1), named=1, tokens=7, passes=7, malformed=True),
        Written((2, 1, 0), named=3, tokens=10, passes=2),
    ]
    assert Tally.of(written) == Tally(2, passages=5, named=4, tokens=17, passes=9, malformed=1)


def test_a_failing_answer_fails_the_query(reranker: Reranker, writer: Writer) -> None:
    broken = tiny_checkpoint()
    broken.model.model.norm.weight.data.fill_(float("nan"))
    for write in (Writer(broken).greedy, Writer(broken).constrained):
        with pytest.raises(NonFiniteLogitsError):
            GeneratingReranker(reranker, write).rank("q", candidates(3))
    with pytest.raises(InputError, match="no visible character"):
        GeneratingReranker(reranker, writer.greedy).rank(" ", candidates(3))


def test_a_twin_shares_weights_and_stays_plain() -> None:
    own = tiny_checkpoint()
    plain = twin(own)
    head = plain.model.get_output_embeddings().weight
    assert head.data_ptr() == own.model.get_input_embeddings().weight.data_ptr()
    Reranker(own, layout="suffix")
    assert plain.model.get_output_embeddings().weight is head
    assert own.model.get_output_embeddings().weight is not head
    assert plain.model.config._attn_implementation == "sdpa"


def test_many_queries_are_ranked_one_after_another(reranker: Reranker, writer: Writer) -> None:
    generating = GeneratingReranker(reranker, writer.constrained)
    asked = ["one thing", "another"]
    rankings = generating.rank_many(asked, [candidates(3), candidates(4)], progress=False)
    assert [len(ranking) for ranking in rankings] == [3, 4]
    assert rankings == [
        generating.rank(query, candidates(size))[0]
        for query, size in zip(asked, (3, 4), strict=True)
    ]
