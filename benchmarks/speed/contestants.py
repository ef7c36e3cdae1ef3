"""Who is raced on one device: this project's engine, and the same model as transformers runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.timing import Work, nothing
from benchmarks.workload import CandidateList, Workload
from reranker.checkpoint import Checkpoint, load
from reranker.encoder import Encoder
from reranker.engine import Engine
from reranker.prompt import Prompt
from reranker.prompter import Prompter
from reranker.reranker import Reranker

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Logits = list[tuple[float, ...]]
DEFAULT = "default"


class PlainModel:
    """A model as transformers runs it, with torch's fused attention, untouched by an engine."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._model: PreTrainedModel = checkpoint.model
        self._model.set_attn_implementation("sdpa")
        self._pad = checkpoint.tokenizer.pad_token_id or 0

    @property
    def dtype(self) -> torch.dtype:
        """The type that the model computes in."""
        found: torch.dtype = self._model.dtype
        return found

    def tensor(self, tokens: Sequence[int]) -> Tensor:
        """One row on the model's device, `(1, tokens)`."""
        return torch.tensor([list(tokens)], device=self._model.device)

    @torch.inference_mode()
    def forward(self, row: Tensor) -> Tensor:
        """The logits after the last token of a row `(1, tokens)`, `(1, 1, vocabulary)`."""
        logits: Tensor = self._model(input_ids=row, use_cache=False, logits_to_keep=1).logits
        return logits

    def score(self, prompts: Sequence[Prompt]) -> Logits:
        """The identifier logits of each prompt, all in one batch, padded on the left."""
        logits = self._padded([prompt.token_ids for prompt in prompts]).float().cpu()
        return [
            tuple(row[list(prompt.identifier_ids)].tolist())
            for row, prompt in zip(logits, prompts, strict=True)
        ]

    @torch.inference_mode()
    def generate(self, row: Tensor, new_tokens: int) -> Tensor:
        """The row with exactly so many tokens after it, greedy, keys and values kept."""
        generated: Tensor = self._model.generate(
            row,
            attention_mask=torch.ones_like(row),
            do_sample=False,
            use_cache=True,
            min_new_tokens=new_tokens,
            max_new_tokens=new_tokens,
            pad_token_id=self._pad,
        )
        return generated

    @torch.inference_mode()
    def _padded(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """The logits after each row's last token, `(rows, vocabulary)`."""
        longest = max(map(len, rows))
        tokens = [[self._pad] * (longest - len(row)) + list(row) for row in rows]
        mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        seen = torch.tensor(mask, device=self._model.device)
        output: Any = self._model(
            input_ids=torch.tensor(tokens, device=self._model.device),
            attention_mask=seen,
            position_ids=(seen.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1]
        return logits


@dataclass(frozen=True, slots=True)
class Contestants:
    """A reranker with its engine, and the same weights loaded a second time, plain."""

    reranker: Reranker
    plain: PlainModel
    encoder: Encoder
    context_tokens: int

    @property
    def engine(self) -> Engine:
        """The reranker's engine."""
        return self.reranker.engine

    @property
    def device(self) -> torch.device:
        """Where both run."""
        return self.engine.device

    @property
    def dtype(self) -> torch.dtype:
        """What both compute in."""
        return self.plain.dtype

    @property
    def wait(self) -> Work:
        """Returns when the device has done its work."""
        return torch.cuda.synchronize if self.device.type == "cuda" else nothing

    def prompts(self, lists: Sequence[CandidateList], passage_tokens: int) -> list[Prompt]:
        """Each candidate list as one window."""
        settings = self.reranker.settings.override(passage_tokens=passage_tokens)
        prompter = Prompter(self.encoder, settings, self.context_tokens)
        return [
            prompter.prompt(prompter.encode(one.query, one.passages), range(len(one.passages)))
            for one in lists
        ]

    def permutation_tokens(self, prompt: Prompt) -> int:
        """Tokens of a window's permutation as text, `A] > [B] > …`, after the opening bracket."""
        return len(self.encoder.literal("] > [".join(prompt.identifiers) + "]"))


def contestants(
    model: str, workload: Workload, *, device: str | None = None, dtype: str | None = None
) -> Contestants:
    """Load a model twice; "default" is the embedded model with the adapter that is shipped.

    Raises:
        ModelError: for a model that cannot be loaded.
        SettingsError: for a device or dtype that is not to be had.
    """
    name = None if model == DEFAULT else model
    own, plain = (load(name, device=device, dtype=dtype) for _ in range(2))
    reranker = Reranker(
        own,
        strategy="sliding",
        window=workload.window,
        stride=workload.window // 2,
        passage_tokens=workload.passage_tokens,
    )
    config = plain.model.config.get_text_config()
    context: int = config.max_position_embeddings
    return Contestants(reranker, PlainModel(plain), Encoder(plain.tokenizer), context)
