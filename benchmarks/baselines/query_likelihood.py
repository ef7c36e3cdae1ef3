"""Query likelihood as the textbook has it: one row a passage, by the model as transformers runs it.

UPR (Sachan et al., arXiv 2204.07496) on a causal LM, as its authors run GPT: "Passage: … Please
write a question based on this passage." and the query. Apart from the library's own code, so that
either checks the other.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from benchmarks.baselines.scored import Scores
from reranker.passage import Passage, indexed_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from reranker.checkpoint import Checkpoint

BEFORE, AFTER = "Passage:", ". Please write a question based on this passage."


class QueryLikelihood:
    """Scores a passage by the log-likelihood of the query after it, in nats.

    `passage_tokens` and `query_tokens` are the most that are read of each.
    """

    def __init__(
        self, checkpoint: "Checkpoint", *, passage_tokens: int = 128, query_tokens: int = 128
    ) -> None:
        self._model: PreTrainedModel = checkpoint.model
        self._tokenizer = checkpoint.tokenizer
        self._passage_tokens, self._query_tokens = passage_tokens, query_tokens

    def score(self, query: str, passages: Sequence[Passage]) -> Scores:
        """The log-likelihood of the query after each passage."""
        asked = self._ids(f" {query}")[: self._query_tokens]
        rows = [self._row(indexed_text(passage)) for passage in passages]
        values = [self._log_likelihood(row, asked) for row in rows]
        return Scores(values, range(len(rows)), sum(len(row) + len(asked) for row in rows))

    def _row(self, text: str) -> list[int]:
        opening: list[int] = self._tokenizer(BEFORE)["input_ids"]
        return [*opening, *self._ids(f" {text}")[: self._passage_tokens], *self._ids(AFTER)]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @torch.inference_mode()
    def _log_likelihood(self, row: list[int], asked: list[int]) -> float:
        tokens = torch.tensor([row + asked], device=self._model.device)
        # The last token's logits are of what follows the query.
        logits = self._model(
            input_ids=tokens, use_cache=False, logits_to_keep=len(asked) + 1
        ).logits[0, :-1]
        return -float(F.cross_entropy(logits.float(), tokens[0, len(row) :], reduction="sum"))
