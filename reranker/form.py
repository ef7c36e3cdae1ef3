"""A layout compiled for one tokenizer and one number of passages: literals and slots.

The layout's texts are rendered once with marks in place of their fields, through the chat
template where there is one, and cut at the marks. What stands between two marks is our own and
becomes token ids; what a mark stands for is filled in as token ids, never as text.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from reranker.encoder import Encoder
from reranker.errors import SettingsError
from reranker.layouts import Layout, fields_of

_OPEN, _CLOSE = "\ue000", "\ue001"
# Some chat templates write today's date; a prompt must be the same every day.
_DAY = "26 Jul 2024"
_UNDATED = f"{{%- macro strftime_now(form) -%}}{_DAY}{{%- endmacro -%}}"
_THOUGHT = "<think>"
_MARK = re.compile(f"{_OPEN}([a-z]+)([0-9]*){_CLOSE}")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place to fill: `kind` is query, instruction, passage or identifier.

    `spaced` says that the text there follows a space, which belongs to its first token.
    """

    kind: str
    spaced: bool = False


Part = tuple[int, ...] | Slot


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a prompt over `len(blocks)` passages.

    `openers` are the texts, `[` mostly, that stand right before an identifier.
    """

    prefix: tuple[Part, ...]
    blocks: tuple[tuple[Part, ...], ...]
    closing: tuple[Part, ...]
    openers: frozenset[str]

    @property
    def tail(self) -> tuple[Part, ...]:
        """The parts of a block after its first, which in layouts that keep passages is one."""
        return self.blocks[0][1:]


def kinds(parts: Iterable[Part]) -> set[str]:
    """The kinds of the slots among parts."""
    return {part.kind for part in parts if isinstance(part, Slot)}


def compile_form(layout: Layout, encoder: Encoder, passages: int) -> Form:
    """Compile a layout for windows of `passages` passages.

    Raises:
        SettingsError: where the chat template does not render the layout's turns.
    """
    segments: list[list[Part]] = [[]]
    openers: set[str] = set()
    for literal, kind in _cut(_render(layout, encoder.tokenizer, passages)):
        spaced = kind in ("query", "passage", "instruction") and literal.endswith(" ")
        text = literal.removesuffix(" ") if spaced else literal
        first = not any(segments)
        if ids := encoder.opening(text) if first else encoder.literal(text):
            segments[-1].append(ids)
        if kind in ("block", "closing"):
            segments.append([])
        elif kind:
            segments[-1].append(Slot(kind, spaced))
        if kind == "identifier":
            openers.add(_opener(literal))
    return _form(layout, segments, frozenset(openers | {_opener(layout.answer)}), passages)


def _opener(literal: str) -> str:
    """The word or the signs that a literal ends with, if they end its last line."""
    found = re.search(r"(\w+|[^\w\s]+)[^\S\n]*$", literal)
    return found[1] if found else ""


def _form(
    layout: Layout, segments: list[list[Part]], openers: frozenset[str], passages: int
) -> Form:
    if len(segments) != passages + 2:
        raise SettingsError(
            f"the model's chat template does not keep the turns of layout {layout.name!r}: "
            f"{passages} passages went in and {len(segments) - 2} came out; give another "
            "template or layout"
        )
    prefix, *blocks, closing = (tuple(segment) for segment in segments)
    return Form(prefix, tuple(blocks), closing, openers - {""})


def _cut(text: str) -> Iterator[tuple[str, str]]:
    """(literal, kind of the mark after it), the last kind empty."""
    end = 0
    for mark in _MARK.finditer(text):
        yield text[end : mark.start()], mark[1]
        end = mark.end()
    yield text[end:], ""


def _mark(kind: str, place: int | str = "") -> str:
    return f"{_OPEN}{kind}{place}{_CLOSE}"


def _fill(text: str, passages: int, place: int | str = "") -> str:
    marks = {kind: _mark(kind) for kind in ("query", "instruction")}
    marks |= {kind: _mark(kind, place) for kind in ("passage", "identifier")}
    return text.format(num=passages, **marks)


def _render(layout: Layout, tokenizer: Any, passages: int) -> str:
    turns = _turns(layout, passages)
    if not layout.chat or not tokenizer.chat_template:
        return "".join(text for _, text in turns) + layout.answer
    if layout.system:
        turns = [("system", _fill(layout.system, passages)), *turns]
    try:
        return chat_text(tokenizer, turns) + layout.answer
    except Exception as error:
        # Some chat templates know no system turn: its text then opens the user's first.
        if layout.system:
            return _render(_without_system(layout), tokenizer, passages)
        raise SettingsError(
            f"the model's chat template refuses the turns of layout {layout.name!r}: {error}"
        ) from error


def _without_system(layout: Layout) -> Layout:
    return replace(layout, system="", prefix=f"{layout.system}\n\n{layout.prefix}")


def _turns(layout: Layout, passages: int) -> list[tuple[str, str]]:
    """(role, text), neighbouring turns of one role joined."""
    turns = [("user", _fill(layout.prefix, passages)), ("assistant", layout.prefix_reply)]
    for place in range(passages):
        turns.append(("user", _mark("block", place) + _fill(layout.body, passages, place)))
        turns.append(("assistant", _fill(layout.body_reply, passages, place)))
    turns.append(("user", _mark("closing") + _fill(layout.closing, passages)))
    joined: list[tuple[str, str]] = []
    for role, text in turns:
        if joined and text and joined[-1][0] == role:
            joined[-1] = (role, joined[-1][1] + text)
        elif text:
            joined.append((role, text))
    return joined


def chat_text(tokenizer: Any, turns: list[tuple[str, str]]) -> str:
    """(role, text) turns in a tokenizer's chat template, undated, up to where the answer begins."""
    rendered: str = tokenizer.apply_chat_template(
        [{"role": role, "content": text} for role, text in turns],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
        chat_template=_UNDATED + tokenizer.get_chat_template(),
        date_string=_DAY,
    )
    # Models that always think are given an empty thought, so that what follows is the answer.
    thinks = rendered.rstrip().endswith(_THOUGHT)
    return rendered.rstrip() + "\n\n</think>\n\n" if thinks else rendered


def has_field(layout: Layout, field: str) -> bool:
    """Whether the layout's prefix or closing holds the field."""
    return any(field in fields_of(text) for text in (layout.prefix, layout.closing))
