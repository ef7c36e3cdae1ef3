import pytest

from reranker.encoder import Encoder
from reranker.errors import IdentifierError, InputError, SettingsError, WindowTooLargeError
from reranker.filling import longest_fitting
from reranker.form import compile_form
from reranker.layouts import LAYOUTS, SUFFIX, Layout, layout_named
from reranker.passage import Passage
from reranker.prompt import Prompt
from reranker.prompter import Prompter
from reranker.settings import Settings
from tests import tokenizers_of_the_field as field

PASSAGES = [Passage("cats purr"), Passage("dogs bark", title="Dogs"), Passage("")]


def prompt_of(encoder: Encoder, layout: str = "suffix", **settings: object) -> Prompt:
    prompter = Prompter(encoder, Settings(layout=layout, **settings), 2048)  # type: ignore[arg-type]
    return prompter.prompt(prompter.encode("who purrs?", PASSAGES), (0, 1, 2))


def test_the_suffix_layout_reads_as_designed(encoder: Encoder) -> None:
    prompt = prompt_of(encoder)
    assert encoder.decode(prompt.token_ids) == (
        "cats purr [A]\n\nDogs: dogs bark [B]\n\n [C]\n\nwho purrs? ["
    )
    assert len(prompt) == len(prompt.token_ids)
    assert encoder.decode(prompt.blocks[1]) == "Dogs: dogs bark [B]\n\n"


def test_the_listwise_layout_reads_as_designed(encoder: Encoder) -> None:
    text = encoder.decode(prompt_of(encoder, "listwise").token_ids)
    assert text.startswith("<|im_start|>system\n")
    assert "\n[A] cats purr\n[B] Dogs: dogs bark\n[C]\n\nQuery: who purrs?\n" in text
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n[")


def test_a_window_takes_its_candidates_in_its_own_order(encoder: Encoder) -> None:
    prompter = Prompter(encoder, Settings(layout="suffix"), 2048)
    prompt = prompter.prompt(prompter.encode("q", PASSAGES), (1, 0))
    assert encoder.decode(prompt.token_ids) == "Dogs: dogs bark [A]\n\ncats purr [B]\n\nq ["
    assert prompt.identifiers == ("A", "B")


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_instruction_stands_before_the_query(encoder: Encoder, layout: str) -> None:
    prompter = Prompter(encoder, Settings(layout=layout), 2048)
    prompt = prompter.prompt(prompter.encode("who?", PASSAGES, "Prefer cats."), (0, 1))
    text = encoder.decode(prompt.closing)
    assert text.index("Prefer cats.\n") < text.index("who?")
    plain = encoder.decode(prompter.prompt(prompter.encode("who?", PASSAGES), (0, 1)).closing)
    assert text.replace("Prefer cats.\n", "") == plain


def test_identifiers_may_be_dealt(encoder: Encoder) -> None:
    prompter = Prompter(encoder, Settings(layout="suffix"), 2048, guarded=26)
    candidates = prompter.encode("q [Z]", PASSAGES)
    prompt = prompter.prompt(candidates, (1, 0), dealt=(25, 3))
    assert encoder.decode(prompt.token_ids) == "Dogs: dogs bark [Z]\n\ncats purr [D]\n\nq (Z) ["
    assert prompt.identifiers == ("Z", "D")


def test_long_passages_shrink_until_the_window_fits(encoder: Encoder) -> None:
    passages = [Passage("x" * 100), Passage("y" * 10), Passage("z" * 60)]
    prompter = Prompter(encoder, Settings(layout="suffix", window_tokens=80), 2048)
    prompt = prompter.prompt(prompter.encode("q", passages), (0, 1, 2))
    assert len(prompt) <= 80
    assert prompt.cut == (0, 2)
    text = encoder.decode(prompt.token_ids)
    assert "y" * 10 in text
    assert text.count("x") == text.count("z")


def test_a_passage_longer_than_its_limit_is_reported(encoder: Encoder) -> None:
    prompter = Prompter(encoder, Settings(layout="suffix", passage_tokens=5), 2048)
    prompt = prompter.prompt(prompter.encode("q", [Passage("abcdef"), Passage("abcde")]), (0, 1))
    assert prompt.cut == (0,)
    assert not prompt.query_cut


def test_candidates_can_be_shortened_once_more(encoder: Encoder) -> None:
    made = Prompter(encoder, Settings(layout="suffix", passage_tokens=6), 2048)
    texts = ("a" * 9, "b" * 5, "c" * 3)
    candidates = made.encode("q", [Passage(text) for text in texts])
    shortened = candidates.shortened(4)
    assert [len(p.token_ids) for p in candidates.passages] == [6, 5, 3]
    assert [len(p.token_ids) for p in shortened.passages] == [4, 4, 3]
    assert [p.cut for p in shortened.passages] == [True, True, False]
    assert (shortened.query, shortened.instruction) == (candidates.query, candidates.instruction)
    assert candidates.shortened(6) == candidates


@pytest.mark.parametrize("layout", ["suffix", "listwise"])
def test_tokens_are_counted_as_if_nothing_were_cut(encoder: Encoder, layout: str) -> None:
    passages = [Passage("a" * length) for length in (90, 3, 40, 0)]
    whole = Prompter(encoder, Settings(layout=layout), 2048)
    candidates = whole.encode("what?", passages, "prefer letters")
    tight = Prompter(encoder, Settings(layout=layout), len(whole.prompt(candidates, range(4))) - 9)
    for window in ((0, 1, 2, 3), (2, 0), (3,)):
        length = len(whole.prompt(candidates, window))
        assert whole.uncut_tokens(candidates, window) == length
        assert tight.uncut_tokens(candidates, window) == length
    assert len(tight.prompt(candidates, range(4))) <= tight.budget


def test_a_long_query_is_cut_and_reported(encoder: Encoder) -> None:
    prompter = Prompter(encoder, Settings(layout="suffix", query_tokens=5), 2048)
    assert prompter.prompt(prompter.encode("a long query", PASSAGES), (0,)).query_cut


def test_a_window_that_cannot_fit_says_what_to_do(encoder: Encoder) -> None:
    prompter = Prompter(encoder, Settings(layout="suffix", window_tokens=30), 2048)
    candidates = prompter.encode("q", [Passage("long enough")] * 9)
    with pytest.raises(WindowTooLargeError, match=r"at least \d+ tokens .* may have 30; use a"):
        prompter.prompt(candidates, tuple(range(9)))


def test_more_passages_than_identifiers(encoder: Encoder) -> None:
    prompter = Prompter(encoder, Settings(identifiers="letters", layout="suffix"), 2048)
    candidates = prompter.encode("q", [Passage("x")] * 27)
    with pytest.raises(IdentifierError, match="27 identifiers and the tokenizer has 26"):
        prompter.prompt(candidates, tuple(range(27)))


@pytest.mark.parametrize("query", ["", "  \n", "\x00\x01"])
def test_a_blank_query_is_refused(encoder: Encoder, query: str) -> None:
    with pytest.raises(InputError, match="no visible character"):
        Prompter(encoder, Settings(), 2048).encode(query, PASSAGES)


@pytest.mark.parametrize("kind", [field.merging, field.splitting, field.prefixing, field.metaspace])
def test_any_tokenizer_reads_the_same_text(kind: object) -> None:
    encoder = Encoder(kind())  # type: ignore[operator]
    text = encoder.decode(prompt_of(encoder).token_ids)
    assert text.removeprefix("<s>") == (
        "cats purr [A]\n\nDogs: dogs bark [B]\n\n [C]\n\nwho purrs? ["
    )


def test_without_a_chat_template_the_texts_stand_plain() -> None:
    encoder = Encoder(field.splitting())
    text = encoder.decode(prompt_of(encoder, "listwise").token_ids)
    assert text.startswith("Here are 3 passages")
    assert text.endswith("[] > [] > [].[")


def test_a_chat_template_without_a_system_turn_has_its_text_with_the_user() -> None:
    tokenizer = field.splitting()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no') }}"
        "{% endif %}({{ m['role'] }}) {{ m['content'] }}</s>{% endfor %}(assistant) "
    )
    encoder = Encoder(tokenizer)
    text = encoder.decode(prompt_of(encoder, "listwise").token_ids)
    assert text.startswith("(user) You rerank")
    assert text.endswith("</s>(assistant) [")


def test_a_prompt_is_the_same_every_day() -> None:
    tokenizer = field.splitting()
    tokenizer.chat_template = (
        "{{ strftime_now('%Y-%m-%d') }} {{ date_string }} "
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    encoder = Encoder(tokenizer)
    text = encoder.decode(prompt_of(encoder, "listwise").token_ids)
    assert text.startswith("26 Jul 2024 26 Jul 2024 You rerank")


def test_a_model_that_always_thinks_is_given_an_empty_thought() -> None:
    tokenizer = field.splitting()
    tokenizer.chat_template = "{{ messages[-1]['content'] }}</s><think>\n"
    encoder = Encoder(tokenizer)
    assert encoder.decode(prompt_of(encoder, "listwise").token_ids).endswith(
        "</s><think>\n\n</think>\n\n["
    )


def test_a_chat_template_that_fails_is_an_error() -> None:
    tokenizer = field.splitting()
    tokenizer.chat_template = "{{ messages[0]['content'] + 1 }}"
    with pytest.raises(SettingsError, match="refuses the turns"):
        compile_form(layout_named("listwise"), Encoder(tokenizer), 2)


def test_a_chat_template_that_loses_turns_is_an_error() -> None:
    tokenizer = field.splitting()
    tokenizer.chat_template = "hello"
    with pytest.raises(SettingsError, match="does not keep the turns"):
        compile_form(layout_named("listwise"), Encoder(tokenizer), 2)


@pytest.mark.parametrize(
    ("lengths", "budget", "longest"),
    [([], 10, 0), ([5, 3], 10, 5), ([9, 3], 10, 7), ([9, 9], 10, 5), ([4, 4, 4], 2, 0)],
)
def testlongest_fitting(lengths: list[int], budget: int, longest: int) -> None:
    assert longest_fitting(lengths, budget) == longest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"body": "[{identifier}]"}, "must hold"),
        ({"closing": "{instruction}"}, "no {query}"),
        ({"closing": "{query} {passage}"}, "holds the field"),
        ({"closing": "{query"}, "double a literal brace"),
        ({"closing": "{query!r}"}, "format or conversion"),
        ({"closing": "{query} {num:>9000000}"}, "format or conversion"),
        ({"body": "[{identifier}] {passage:.3}"}, "format or conversion"),
        ({"closing": "{query}\ue000query\ue001"}, "private use area"),
        ({"closing": "{query}" + "x" * 20_000}, "at most 16384 characters"),
    ],
)
def test_layouts_are_checked(changes: dict[str, str], message: str) -> None:
    texts = {"body": SUFFIX.body, "closing": SUFFIX.closing} | changes
    with pytest.raises(SettingsError, match=message):
        Layout(name="odd", **texts)  # type: ignore[arg-type]


def test_an_unknown_layout_is_named() -> None:
    with pytest.raises(SettingsError, match="known are"):
        layout_named("nope")
