"""The prompter: a query and its candidates, tokenised once, become the prompt of any window.

Every text is tokenised apart and put between literals as token ids. A window over its budget
is cut where it is longest: no passage loses a token while another keeps more than it.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from reranker.candidates import Candidates
from reranker.dealing import by_content, ordered
from reranker.encoder import EncodedText, Encoder
from reranker.errors import InputError, SettingsError, WindowTooLargeError
from reranker.filling import filled, fixed_tokens, longest_fitting, span, tail_tokens
from reranker.form import Form, Part, compile_form, has_field, kinds
from reranker.guard import Guard
from reranker.guarded import GuardedEncoder
from reranker.identifiers import Identifiers, resolve
from reranker.layouts import Layout, layout_named
from reranker.passage import Passage
from reranker.prompt import Asked, Prompt
from reranker.repetition import without
from reranker.settings import Settings
from reranker.template import parse_template

Query = dict[str, tuple[int, ...]]
"""The query and the instruction, by slot, as token ids."""

_CONTEXT_TOKENS = 8
LEAST_PASSAGE_TOKENS = 4


class Prompter:
    """Assembles prompts for one tokenizer, layout and set of identifiers.

    Args:
        encoder: the tokenizer at hand.
        settings: layout or template, identifiers and token limits.
        context_tokens: the longest row that the model takes, in tokens.
        guarded: how many identifiers, from the first, no text may imitate; as many as the
            settings' windows deal when not given.

    `settings` are those given; `budget` is the most tokens of a window.
    """

    def __init__(
        self,
        encoder: Encoder,
        settings: Settings,
        context_tokens: int,
        *,
        guarded: int | None = None,
    ) -> None:
        self.layout = _layout(settings)
        self._encoder = encoder
        self.settings = settings
        probe = compile_form(self.layout, encoder, 2)
        self.identifiers = resolve(settings.identifiers, encoder, _tail(probe.closing))
        if guarded is None:
            guarded = len(self.identifiers) if settings.strategy == "full" else settings.window
        # Passages read apart stand side by side: the context limits each, and not their sum.
        room = context_tokens * (len(self.identifiers) if self.layout.apart else 1)
        self.budget = min(settings.window_tokens or room, room)
        self._context = context_tokens
        self.null_id = _null(encoder) if settings.absolute else None
        # How likely the query is after nothing, the null candidate has a block of its own to ask.
        self._blank = (self.null_id,) if settings.likelihood and self.null_id is not None else ()
        if settings.likelihood and not self.layout.asks:
            raise SettingsError(
                f"layout {self.layout.name!r} does not ask every passage the query, so there is no "
                "likelihood to read; use layout='cross', or likelihood=0"
            )
        dealt = self.identifiers.first(min(guarded, len(self.identifiers)))
        self._texts = GuardedEncoder(encoder, Guard(encoder, dealt, probe.openers)).texts
        self._form = lru_cache(maxsize=64)(self._compile)
        # A layout that knows no instruction reads it in front of the query, in its place.
        self._told_apart = has_field(self.layout, "instruction")

    def encode(
        self, query: str, passages: Sequence[Passage], instruction: str | None = None
    ) -> Candidates:
        """Tokenise a query and its candidates.

        Raises:
            InputError: for a query without a visible character.
        """
        limit = self.settings.query_tokens
        probe = self._form(1)
        parts = (*probe.prefix, *probe.blocks[0], *probe.closing)
        told_at = "instruction" if self._told_apart else "query"
        [told] = self._texts([instruction or ""], limit, spaced=_spaced(parts, told_at))
        if told.token_ids:
            told = EncodedText((*told.token_ids, *self._encoder.literal("\n")), told.cut)
        follows = not self._told_apart and told.token_ids
        [encoded] = self._texts([query], limit, spaced=not follows and _spaced(parts, "query"))
        if not encoded.token_ids:
            raise InputError("the query has no visible character; give the text to rank by")
        texts = [f"{p.title}: {p.text}" if p.title else p.text for p in passages]
        cut_at, spaced = self.settings.passage_tokens, _spaced(parts, "passage")
        cut = without(query) if self.settings.cut_query else str
        return Candidates(encoded, told, tuple(self._texts(texts, cut_at, spaced=spaced, cut=cut)))

    def prompt(
        self,
        candidates: Candidates,
        window: Sequence[int],
        dealt: Sequence[int] | None = None,
    ) -> Prompt:
        """The prompt of the window that holds these candidates, in this order.

        Args:
            candidates: from `encode`.
            window: places of candidates.
            dealt: places in the table of identifiers, one a candidate; the first ones when not
                given, in order, or, where passages are read apart, by the passages' content, so
                that nothing depends on the order. Training deals them at random.

        Raises:
            WindowTooLargeError: where even the shortest passages do not fit.
            IdentifierError: where the window has more passages than there are identifiers.
        """
        passages = [candidates.passages[place] for place in window]
        identifiers = self._dealt(passages) if dealt is None else self.identifiers.at(dealt)
        form, query = self._form(len(window)), self._query(candidates)
        longest = self._longest(passages, form, query)
        blocks = self._blocks(
            form, query, identifiers, [passage.token_ids[:longest] for passage in passages]
        )
        asked = self.asked(candidates, len(window))
        if self.layout.apart and dealt is None:
            blocks, asked = ordered(blocks, asked)
        return Prompt(
            prefix=filled(form.prefix, query),
            blocks=tuple(blocks),
            closing=filled(form.closing, query),
            identifiers=identifiers.names,
            identifier_ids=identifiers.token_ids,
            cut=tuple(i for i, p in enumerate(passages) if p.cut or len(p.token_ids) > longest),
            query_cut=candidates.query.cut or candidates.instruction.cut,
            apart=self.layout.apart,
            tail=tail_tokens(form, query) if self.keeps else None,
            null_id=self.null_id,
            asked=asked,
        )

    def asked(self, candidates: Candidates, passages: int) -> Asked | None:
        """Where blocks ask this query, if its likelihood is part of the scores; in window order."""
        weight = self.settings.likelihood
        if not weight:
            return None
        start, stop = span(self._form(1).tail, self._query(candidates), "query")
        # Nothing in the tail predicts its first token.
        return Asked(weight, max(start, 1), stop, tuple(range(passages + len(self._blank))))

    def prior(self, candidates: Candidates) -> float:
        """What the first stage's order weighs for this query.

        A likelihood is a sum over the query's tokens, so it spreads the further the more there are.
        """
        asked = self.asked(candidates, 0)
        return self.settings.prior * (1 if asked is None else asked.stop - asked.start)

    @property
    def query_last(self) -> bool:
        """Whether the query stands in the closing alone, so that queries may share all else."""
        form = self._form(1)
        return not {"query", "instruction"} & kinds((*form.prefix, *form.blocks[0]))

    @property
    def asks_after(self) -> bool:
        """Whether every passage is asked the query after it, so that queries may share passages."""
        return self.layout.asks

    @property
    def keeps(self) -> bool:
        """Whether passages can be kept; see `Layout.keeps`."""
        return self.layout.keeps

    def closing(self, candidates: Candidates, passages: int) -> tuple[int, ...]:
        """What follows the passages of a window of that many, for this query."""
        return filled(self._form(passages).closing, self._query(candidates))

    def tails(
        self, candidates: Candidates, identifier_ids: Sequence[int]
    ) -> tuple[tuple[int, ...], ...]:
        """What follows each passage, for this query and the passages' identifiers.

        Where the likelihood is asked for and there is a null candidate, its tail is the last.
        """
        query, parts = self._query(candidates), self._form(1).tail
        return tuple(filled(parts, query, named) for named in (*identifier_ids, *self._blank))

    def uncut_tokens(self, candidates: Candidates, window: Sequence[int]) -> int:
        """Tokens of a window's prompt if it were not cut to the budget."""
        fixed = self._fixed(self._form(len(window)), self._query(candidates))
        return fixed + sum(len(candidates.passages[place].token_ids) for place in window)

    def _longest(self, passages: Sequence[EncodedText], form: Form, query: Query) -> int:
        """The most tokens that a passage of this window keeps."""
        lengths = [len(passage.token_ids) for passage in passages]
        fixed = self._fixed(form, query)
        alone = self._context - fixed_tokens(self._form(1), query)
        longest = min(longest_fitting(lengths, self.budget - fixed), alone)
        if longest < min(LEAST_PASSAGE_TOKENS, max(lengths, default=0)):
            raise WindowTooLargeError(self._too_large(len(passages), fixed))
        return longest

    def _blocks(
        self,
        form: Form,
        query: Query,
        identifiers: Identifiers,
        passages: Sequence[tuple[int, ...]],
    ) -> list[tuple[int, ...]]:
        """A block a passage, and one for the null candidate where it is asked the query too."""
        named = zip(form.blocks, identifiers.token_ids, passages, strict=True)
        blocks = [filled(parts, query, identifier, passage) for parts, identifier, passage in named]
        return blocks + [filled(form.tail, query, null) for null in self._blank]

    def _fixed(self, form: Form, query: Query) -> int:
        """Tokens of a window but for its passages."""
        return fixed_tokens(form, query) + len(self._blank) * tail_tokens(form, query)

    def _compile(self, passages: int) -> Form:
        return compile_form(self.layout, self._encoder, passages)

    def _query(self, candidates: Candidates) -> Query:
        query, told = candidates.query.token_ids, candidates.instruction.token_ids
        if self._told_apart:
            return {"query": query, "instruction": told}
        return {"query": (*told, *query), "instruction": ()}

    def _dealt(self, passages: Sequence[EncodedText]) -> Identifiers:
        first = self.identifiers.first(len(passages))
        return first.at(by_content(passages)) if self.layout.apart else first

    def _too_large(self, passages: int, fixed: int) -> str:
        return (
            f"a window of {passages} passages needs at least "
            f"{fixed + passages * LEAST_PASSAGE_TOKENS} tokens ({fixed} without the passages) and "
            f"may have {self.budget}; use a smaller window, strategy='sliding' in place of "
            "'full', a shorter query, or a larger window_tokens where the model allows it"
        )


def _layout(settings: Settings) -> Layout:
    if settings.template is not None:
        return parse_template(settings.template)
    return layout_named(settings.layout)


def _null(encoder: Encoder) -> int:
    """The token that ends an answer: no identifier, whatever a text holds, and in every model."""
    if encoder.end_id is None:
        raise SettingsError(
            "absolute scores are read against the token that ends a text, and this tokenizer names "
            "none; set its eos_token, or absolute=False"
        )
    return encoder.end_id


def _tail(parts: Sequence[Part]) -> tuple[int, ...]:
    literal = parts[-1] if parts and isinstance(parts[-1], tuple) else ()
    return literal[-_CONTEXT_TOKENS:]


def _spaced(parts: Iterable[Part], kind: str) -> bool:
    return any(not isinstance(p, tuple) and p.kind == kind and p.spaced for p in parts)
