"""The writer of synthetic queries: a causal language model, sampled row by row.

It runs as transformers runs it, keys and values kept: nothing of the engine's is used, which
computes no more of a head than identifiers need.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data.synthesis.prompt import EXAMPLES, Example, QueryPrompt
from data.synthesis.work import digest
from reranker.checkpoint import Checkpoint
from reranker.encoder import Encoder
from reranker.errors import EngineError, InputError, SettingsError
from reranker.loading import brief
from reranker.passage import Passage
from reranker.weights_print import weights_print

Row = tuple[int, ...]
Answers = list[str | None]
"""What was written of one passage; None where the model came to no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How queries are written.

    Args:
        each: queries a passage.
        passage_tokens: where passages are cut.
        new_tokens: where a query counts as unfinished.
        temperature: what logits are divided by before a token is drawn; 0 takes the best token.
        top_p: the likelihood of the tokens drawn from, the best ones (nucleus sampling).
        plain: whether to ask in running text even where the model has a chat template.
        seed: of all that is drawn.

    Raises:
        InputError: for values that make no sense.
    """

    each: int = 1
    passage_tokens: int = 192
    new_tokens: int = 48
    temperature: float = 0.0
    top_p: float = 0.9
    plain: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.each, self.passage_tokens, self.new_tokens) < 1 or self.seed < 0:
            raise InputError(
                f"writing needs each, passage_tokens and new_tokens >= 1 and a seed >= 0: {self}"
            )
        if not (0 <= self.temperature < 1e3 and 0 < self.top_p <= 1):
            raise InputError(f"writing needs a temperature >= 0 and 0 < top_p <= 1: {self}")
        if self.each > 1 and not self.temperature:
            raise InputError(
                f"with temperature 0 all {self.each} queries of a passage would be the same; "
                "give a temperature, such as 0.7"
            )


class QueryWriter:
    """Writes queries that passages answer, a batch of passages at a time.

    Args:
        checkpoint: the model that writes.
        how: lengths and sampling.
        examples: worked examples of a passage and its query.

    Raises:
        SettingsError: for prompts that the model's context or chat template does not take.
    """

    def __init__(
        self, checkpoint: Checkpoint, how: Writing, examples: Sequence[Example] = EXAMPLES
    ) -> None:
        self._model, self._how = checkpoint.model, how
        self._encoder = encoder = Encoder(checkpoint.tokenizer)
        self._prompt = QueryPrompt(
            encoder, examples, passage_tokens=how.passage_tokens, plain=how.plain
        )
        _check_context(checkpoint, self._prompt.most_tokens + how.new_tokens)
        self._ends = frozenset(_line_ends(encoder)) | encoder.control_ids
        self._pad: int = checkpoint.tokenizer.pad_token_id or encoder.end_id or 0
        self._print = weights_print(checkpoint.model)

    def rows(self, passages: Sequence[Passage]) -> list[Row]:
        """The prompts of passages, as token ids."""
        return self._prompt.rows(passages)

    def key(self, rows: Sequence[Row], number: int) -> str:
        """What tells the answers to a batch from all others: the model, how it is asked, what."""
        return digest(self._print, self._how, number, list(rows))

    def write(self, rows: Sequence[Row], number: int) -> list[Answers]:
        """What the model writes after each row of a batch.

        Args:
            rows: prompts, from `rows`.
            number: of the batch; with the seed it decides what is drawn.

        Raises:
            EngineError: for a batch that does not fit the device's memory, or logits that are no
                numbers.
        """
        try:
            found = self._generated(rows, number)
        except RuntimeError as error:
            raise EngineError(
                f"{len(rows)} passages could not be asked about ({brief(error)}); give a smaller "
                "--batch, or fewer --passage-tokens"
            ) from error
        answers = [self._answer(row) for row in found.tolist()]
        each = self._how.each
        return [answers[place : place + each] for place in range(0, len(answers), each)]

    @torch.inference_mode()
    def _generated(self, rows: Sequence[Row], number: int) -> Tensor:
        """New tokens, `(rows * each, new tokens)`; the process's random state stays as it was."""
        longest = max(map(len, rows))
        device = self._model.device
        padded = [[self._pad] * (longest - len(row)) + list(row) for row in rows]
        seen = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        state = np.random.SeedSequence([self._how.seed, number]).generate_state(1)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(state[0]))
            generated: Tensor = self._model.generate(
                torch.tensor(padded, device=device),
                attention_mask=torch.tensor(seen, device=device),
                **self._options(),
            )
        return generated[:, longest:]

    def _options(self) -> dict[str, Any]:
        ends = sorted(self._ends)
        how = self._how
        drawn = {"temperature": how.temperature, "top_p": how.top_p, "top_k": 0}
        return {
            "do_sample": how.temperature > 0,
            **(drawn if how.temperature else {}),
            "num_return_sequences": how.each,
            "max_new_tokens": how.new_tokens,
            "use_cache": True,
            "eos_token_id": ends,
            # Some models begin with an empty line, which is no answer.
            "begin_suppress_tokens": ends,
            "pad_token_id": self._pad,
        }

    def _answer(self, ids: Sequence[int]) -> str | None:
        """The first line of what was written, or None where there is no end to it."""
        end = next((place for place, id_ in enumerate(ids) if id_ in self._ends), None)
        if end is None:
            return None
        line = [id_ for id_ in ids[: end + 1] if id_ not in self._encoder.control_ids]
        return self._encoder.decode(line).partition("\n")[0]


def _check_context(checkpoint: Checkpoint, tokens: int) -> None:
    most = getattr(checkpoint.model.config.get_text_config(), "max_position_embeddings", None)
    if most and tokens > most:
        raise SettingsError(
            f"examples, passage and query may take {tokens} tokens, and {checkpoint.name} reads "
            f"{most}; give fewer --passage-tokens, or shorter examples"
        )


def _line_ends(encoder: Encoder) -> list[int]:
    """Every token with a line break in its text."""
    texts = encoder.decode_all([[id_] for id_ in range(len(encoder.tokenizer))])
    return [id_ for id_, text in enumerate(texts) if "\n" in text]
