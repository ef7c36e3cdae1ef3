"""Layouts: what stands where in a window's prompt, as plain data.

The texts hold the fields `{num}` (prefix and closing), `{query}`, `{instruction}`, and
`{identifier}` and `{passage}` (body). They are compiled to token ids by `reranker.form`.
"""

from dataclasses import dataclass, replace
from string import Formatter

from reranker.errors import SettingsError

_FRAME_FIELDS = frozenset({"num", "query", "instruction"})
_BODY_FIELDS = frozenset({"identifier", "passage"})
MOST_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A window's prompt: system, prefix, one body a passage, closing, and the answer's opening.

    With `chat`, the texts become turns of the model's chat template (where it has one) and
    `answer` opens the assistant's turn; the identifiers are read right after `answer`.
    `prefix_reply` and `body_reply` are the assistant's turns of multi-turn templates.

    Bodies that are `apart` do not read each other: each reads the prefix and itself, all at the
    same positions, and the closing reads everything (Set-Based Prompting, arXiv 2406.06581).
    """

    name: str
    body: str
    system: str = ""
    prefix: str = ""
    prefix_reply: str = ""
    body_reply: str = ""
    closing: str = ""
    answer: str = "["
    chat: bool = True
    apart: bool = False

    def __post_init__(self) -> None:
        for part in ("system", "prefix", "prefix_reply", "closing", "answer"):
            self._check(part, _FRAME_FIELDS)
        self._check("body", _BODY_FIELDS | {"query", "instruction"})
        self._check("body_reply", _BODY_FIELDS)
        if not fields_of(self.body) >= _BODY_FIELDS:
            raise SettingsError(
                f"the body of layout {self.name!r} must hold {{identifier}} and {{passage}}, "
                f"found {self.body!r}"
            )
        if not any("query" in fields_of(text) for text in (self.prefix, self.closing)):
            raise SettingsError(f"layout {self.name!r} has no {{query}} in its prefix or closing")

    @property
    def keeps(self) -> bool:
        """Whether what is read of a passage depends on nothing else, so that it can be kept."""
        asked = fields_of(self.prefix) & {"query", "instruction"}
        return self.apart and not asked and self.body.startswith("{passage}")

    @property
    def asks(self) -> bool:
        """Whether every passage that can be kept is asked the query after it."""
        return self.keeps and "query" in fields_of(self.body)

    def _check(self, part: str, allowed: frozenset[str]) -> None:
        if unknown := fields_of(getattr(self, part)) - allowed:
            raise SettingsError(
                f"the {part} of layout {self.name!r} holds the field(s) {sorted(unknown)}; "
                f"it may hold {sorted(allowed)}"
            )


def fields_of(text: str) -> frozenset[str]:
    """The names of the `{fields}` in a layout text.

    Raises:
        SettingsError: for braces that do not match, fields with a format or conversion, a text
            of many thousand characters, or characters of the private use area.
    """
    if len(text) > MOST_CHARACTERS or any("\ue000" <= character <= "\uf8ff" for character in text):
        raise SettingsError(
            f"the layout text {text[:60]!r}… must have at most {MOST_CHARACTERS} characters, and "
            "none of the private use area"
        )
    try:
        fields = [field for field in Formatter().parse(text) if field[1] is not None]
    except ValueError as error:
        raise SettingsError(
            f"{error} in the layout text {text!r}; double a literal brace"
        ) from error
    if odd := [name for _, name, form, conversion in fields if form or conversion]:
        raise SettingsError(
            f"the field(s) {odd} in the layout text {text!r} have a format or conversion; "
            "a field is its name in braces and nothing else"
        )
    return frozenset(str(name) for _, name, _, _ in fields)


LISTWISE = Layout(
    name="listwise",
    system="You rerank the results of a search engine: the passages that answer the query first.",
    prefix=(
        "Here are {num} passages, each after its identifier in brackets. Order them by how well "
        "they answer this query: {query}\n\n"
    ),
    body="[{identifier}] {passage}\n",
    closing=(
        "\n{instruction}Query: {query}\n"
        "Order the {num} passages above by how well they answer the query, best first. Answer "
        "with identifiers alone, like this: [] > [] > []."
    ),
)

SUFFIX = Layout(
    name="suffix",
    body="{passage} [{identifier}]\n\n",
    closing="{instruction}{query}",
    answer=" [",
    chat=False,
)

BLOCKS = Layout(
    name="blocks",
    prefix="Passages, each with its identifier:\n\n",
    body="{passage} [{identifier}]",
    closing="\n\n{instruction}{query}",
    answer=" [",
    chat=False,
    apart=True,
)

SET = replace(BLOCKS, name="set", prefix="Query: {query}\n\n")

# Every passage is asked the query after it, as a cross-encoder is: its tokens find what they look
# for in that passage alone, and the identifier carries what they found. The passage comes first, so
# that what is read of it serves every query. The word before the query is one that a model has seen
# there: by the likelihood of what follows it, it ranks before it is trained.
CROSS = replace(
    BLOCKS, name="cross", body="{passage}\n{instruction}Question: {query} [{identifier}]"
)

LAYOUTS = {layout.name: layout for layout in (LISTWISE, SUFFIX, SET, BLOCKS, CROSS)}


def layout_named(name: str) -> Layout:
    """The layout of that name.

    Raises:
        SettingsError: for a name that is none.
    """
    if name not in LAYOUTS:
        raise SettingsError(f"unknown layout {name!r}; known are {sorted(LAYOUTS)}")
    return LAYOUTS[name]
