"""A layout compiled for one tokenizer and one number of passages: literals and slots.

The layout's texts are rendered once with marks in place of their fields, through the chat
template where there is one, and cut at the marks. What stands between two marks is our own and
becomes token ids; what a mark stands for is filled in as token ids, never as text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from reranker.encoder import Encoder
from reranker.errors import SettingsError
from reranker.layouts import Layout, fields_of

_OPEN, _CLOSE = "\ue000", "\ue001"
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
    """The parts of a prompt over `len(blocks)` passages."""

    prefix: tuple[Part, ...]
    blocks: tuple[tuple[Part, ...], ...]
    closing: tuple[Part, ...]
    openers: frozenset[str]


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
        if kind == "identifier" and literal:
            openers.add(literal[-1])
    return _form(layout, segments, openers | {layout.answer[-1:]}, passages)


def _form(layout: Layout, segments: list[list[Part]], openers: set[str], passages: int) -> Form:
    if len(segments) != passages + 2:
        raise SettingsError(
            f"the model's chat template does not keep the turns of layout {layout.name!r}: "
            f"{passages} passages went in and {len(segments) - 2} came out; give another "
            "template or layout"
        )
    prefix, *blocks, closing = (tuple(segment) for segment in segments)
    return Form(prefix, tuple(blocks), closing, frozenset(o for o in openers if not o.isalnum()))


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
        turns = [("system", layout.system), *turns]
    try:
        return _chat(tokenizer, turns) + layout.answer
    except TemplateError:
        # Some chat templates know no system turn: its text then opens the user's first.
        (_, system), (role, text), *rest = turns if layout.system else [("", ""), *turns]
        merged = [(role, f"{system}\n\n{text}" if system else text), *rest]
        try:
            return _chat(tokenizer, merged) + layout.answer
        except TemplateError as error:
            raise SettingsError(
                f"the model's chat template refuses the turns of layout {layout.name!r}: {error}"
            ) from error


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


def _chat(tokenizer: Any, turns: list[tuple[str, str]]) -> str:
    rendered: str = tokenizer.apply_chat_template(
        [{"role": role, "content": text} for role, text in turns],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
    )
    return rendered


def has_field(layout: Layout, field: str) -> bool:
    """Whether the layout's prefix or closing holds the field."""
    return any(field in fields_of(text) for text in (layout.prefix, layout.closing))
