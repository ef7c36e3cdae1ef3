"""Text into token ids: our own literals in context, and a caller's text without its powers.

- A literal (layout text, chat turns) may hold control tokens and is tokenised as it would be in
  the middle of a prompt, without the space that some tokenizers put before a text.
- A caller's text can never give a control token: it goes through a copy of the tokenizer that
  has none, is cut early (megabytes are never tokenised whole), and is filtered at the end.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from reranker.errors import SettingsError
from reranker.text import clean

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Characters of which at least one tokenizer makes no token with what follows it.
_ANCHORS = ("\n", "a", ".", "0", "|")
_CHARACTERS_A_TOKEN = 8


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A text's first tokens, and whether there were more."""

    token_ids: tuple[int, ...]
    cut: bool


class Encoder:
    """A tokenizer, seen as what a prompt is assembled with."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast") -> None:
        self.tokenizer = tokenizer
        state: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
        state |= {"padding": None, "truncation": None}
        kept, control = _split_added(tokenizer)
        self.control_ids = frozenset(control)
        self._whole = Tokenizer.from_str(json.dumps(state))
        self._plain = _without_added(state, kept)
        self._ids = {
            place: kept[content]
            for content in kept
            if (place := self._plain.token_to_id(content)) is not None
        }

    @property
    def end_id(self) -> int | None:
        """The token that ends a text or a turn, where the tokenizer names one."""
        end: int | None = self.tokenizer.eos_token_id
        return end

    def opening(self, text: str) -> tuple[int, ...]:
        """The ids of a prompt's first literal, after the begin-of-text token where there is one."""
        ids = tuple(self._whole.encode(text, add_special_tokens=False).ids)
        bos = self.tokenizer.bos_token_id
        starts_with_bos = self.tokenizer.encode("")[:1] == [bos] and bos is not None
        return (bos, *ids) if starts_with_bos and ids[:1] != (bos,) else ids

    def literal(self, text: str) -> tuple[int, ...]:
        """The ids of one of our own literals in the middle of a prompt."""
        if not text:
            return ()
        for anchor in _ANCHORS:
            encoding = self._whole.encode(anchor + text, add_special_tokens=False)
            starts = [start for start, _ in encoding.offsets]
            if any(start < 1 < end for start, end in encoding.offsets) or 1 not in starts:
                continue
            return tuple(encoding.ids[starts.index(1) :])
        raise SettingsError(
            f"the tokenizer gives the literal {text!r} no tokens of its own in the middle of a "
            "prompt; change the layout or template around it"
        )

    def texts(
        self,
        texts: Sequence[str],
        limit: int,
        *,
        spaced: bool = False,
        disarm: Callable[[str], str] = str,
    ) -> list[EncodedText]:
        """Encode callers' texts to at most `limit` tokens each, no control token among them.

        `spaced` puts a space before a text that is not empty; `disarm` rewrites what must not
        stand in a prompt, before it is tokenised.
        """
        encoded: dict[int, EncodedText] = {}
        pending, characters = list(range(len(texts))), _CHARACTERS_A_TOKEN * (limit + 8)
        while pending:
            heads = [disarm(clean(texts[place][:characters])) for place in pending]
            batch = self._encode([" " + head if spaced and head else head for head in heads])
            for place, ids in zip(pending, batch, strict=True):
                if len(ids) > limit or len(texts[place]) <= characters:
                    encoded[place] = EncodedText(ids[:limit], len(ids) > limit)
            pending, characters = [p for p in pending if p not in encoded], characters * 4
        return [encoded[place] for place in range(len(texts))]

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of token ids as they stand, control tokens included."""
        text: str = self._whole.decode(list(token_ids), skip_special_tokens=False)
        return text

    def decode_all(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """The text of each row of token ids."""
        texts: list[str] = self._whole.decode_batch(list(map(list, rows)), False)
        return texts

    def single_tokens(self, text: str) -> list[int]:
        """Tokens that may read as `text`: the bare piece, and its encoding where that is one."""
        encoded = self._plain.encode(text, add_special_tokens=False).ids
        tokens = [self._whole.token_to_id(text), *(encoded if len(encoded) == 1 else ())]
        return [token for token in dict.fromkeys(tokens) if token is not None]

    def ending_in(self, characters: frozenset[str]) -> frozenset[int]:
        """Every token whose text ends in one of the characters (ASCII)."""
        vocabulary = self._whole.get_vocab(with_added_tokens=False)
        ending = tuple(characters)
        return frozenset(i for token, i in vocabulary.items() if ending and token.endswith(ending))

    def _encode(self, texts: list[str]) -> list[tuple[int, ...]]:
        batch = self._plain.encode_batch_fast(texts, add_special_tokens=False)
        return [self._filtered(encoding.ids) for encoding in batch]

    def _filtered(self, ids: list[int]) -> tuple[int, ...]:
        mapped = (self._ids.get(i, i) for i in ids) if self._ids else ids
        return tuple(i for i in mapped if i not in self.control_ids)


def _split_added(tokenizer: "PreTrainedTokenizerFast") -> tuple[dict[str, int], set[int]]:
    """The added tokens that are mere white space (kept), and the ids of all others (control)."""
    kept: dict[str, int] = {}
    control: set[int] = set()
    for place, token in tokenizer.added_tokens_decoder.items():
        if token.content.isspace() and not token.special:
            kept[token.content] = place
        elif token.special or place != tokenizer.unk_token_id:
            control.add(place)
    return kept, control


def _without_added(state: dict[str, Any], kept: dict[str, int]) -> Tokenizer:
    """A tokenizer's state without control tokens, and that puts no space before a text."""
    plain = state | {
        "added_tokens": [t for t in state["added_tokens"] if t["content"] in kept],
        "post_processor": None,
        "normalizer": _unprefixed(state["normalizer"]),
        "pre_tokenizer": _unprefixed(state["pre_tokenizer"]),
    }
    return Tokenizer.from_str(json.dumps(plain))


def _unprefixed(stage: dict[str, Any] | None) -> dict[str, Any] | None:
    """A normalizer or pre-tokenizer that adds no space or mark at the start of a text."""
    if stage is None or stage["type"] == "Prepend":
        return None
    for key in ("normalizers", "pretokenizers"):
        if key in stage:
            stages = [_unprefixed(inner) for inner in stage[key]]
            return {**stage, key: [inner for inner in stages if inner is not None]}
    changed = dict(stage)
    if "prepend_scheme" in stage:
        changed["prepend_scheme"] = "never"
    if "add_prefix_space" in stage:
        changed["add_prefix_space"] = False
    return changed
