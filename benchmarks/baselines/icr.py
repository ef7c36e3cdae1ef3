"""In-context reranking: a query's attention to passages ranks them, and nothing is trained.

Chen, Gutiérrez and Su, "Attention in Large Language Models Yields Efficient Zero-Shot Re-Rankers",
arXiv 2410.02642. As in the authors' runs, the first stage's best passage stands last, and the
passages are read once for the query and for the one without content.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.baselines.scored import Scores
from reranker.encoder import Encoder
from reranker.errors import WindowTooLargeError
from reranker.filling import span
from reranker.form import Form, Part, compile_form
from reranker.layouts import Layout
from reranker.passage import Passage, indexed_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from reranker.checkpoint import Checkpoint

LAYOUT = Layout(
    name="icr",
    prefix="Here are some paragraphs:",
    body="\n\n[{identifier}] {passage}",
    closing=(
        "\n\nPlease answer the following question based on the information in the paragraphs "
        "above.\n\nQuery: {query}"
    ),
    answer="",
)
CONTENT_FREE = "N/A"
_DEVIATIONS = 2

TokenIds = tuple[int, ...]


class InContext:
    """Scores the candidates of a query in one window, by a model as transformers runs it.

    `passage_tokens` and `query_tokens` are the most that are read of each.
    """

    def __init__(
        self, checkpoint: "Checkpoint", *, passage_tokens: int = 128, query_tokens: int = 128
    ) -> None:
        self._model: PreTrainedModel = checkpoint.model
        self._encoder = Encoder(checkpoint.tokenizer)
        self._passage_tokens, self._query_tokens = passage_tokens, query_tokens

    @torch.inference_mode()
    def score(self, query: str, passages: Sequence[Passage]) -> Scores:
        """The passages' calibrated attention.

        Raises:
            WindowTooLargeError: for more tokens than the model's context holds.
        """
        form = compile_form(LAYOUT, self._encoder, len(passages))
        window, places = self._window(form, passages)
        (asked, start), (nothing, free) = (self._closing(form, q) for q in (query, CONTENT_FREE))
        self._check(len(window) + max(map(len, (asked, nothing))))
        cache = self._read(window)
        found = attention(self._model, cache, asked, start)
        calibrated = found - attention(self._model, cache, nothing, free)
        values = [kept_sum(calibrated[place]) for place in places]
        return Scores(values, range(1), len(window) + len(asked) + len(nothing))

    def _window(self, form: Form, passages: Sequence[Passage]) -> tuple[TokenIds, list[slice]]:
        """The tokens before the query, the last passage first, and where each passage's are."""
        texts = self._encoder.texts(
            list(map(indexed_text, passages)), self._passage_tokens, spaced=True
        )
        window, places = list(_filled(form.prefix, {})), [slice(0)] * len(passages)
        for number, (block, place) in enumerate(
            zip(form.blocks, reversed(range(len(passages))), strict=True), start=1
        ):
            ids = texts[place].token_ids
            named = self._encoder.literal(str(number))
            window += _filled(block, {"identifier": named, "passage": ids})
            places[place] = slice(len(window) - len(ids), len(window))
        return tuple(window), places

    def _closing(self, form: Form, query: str) -> tuple[TokenIds, slice]:
        """The tokens after the passages, and where the query's are."""
        [text] = self._encoder.texts([query], self._query_tokens, spaced=True)
        values = {"query": text.token_ids}
        return _filled(form.closing, values), slice(*span(form.closing, values, "query"))

    def _read(self, window: TokenIds) -> Any:
        """The keys and values of the tokens before the query."""
        tokens = torch.tensor([window], device=self._model.device)
        return self._model(input_ids=tokens, use_cache=True, logits_to_keep=1).past_key_values

    def _check(self, tokens: int) -> None:
        context = self._model.config.get_text_config().max_position_embeddings
        if tokens > context:
            raise WindowTooLargeError(
                f"in-context reranking reads all passages in one window, here of {tokens:,} "
                f"tokens, and the model's context holds {context:,}; give fewer passages, or "
                "fewer tokens of each"
            )


@torch.inference_mode()
def attention(model: "PreTrainedModel", cache: Any, closing: TokenIds, query: slice) -> Tensor:
    """How much a query attends to each token before it, `(tokens,)`: the mean over the query's
    tokens of the sum over layers and heads.

    Args:
        model: a causal LM.
        cache: its keys and values of the tokens before the closing; it is left as it was.
        closing: the tokens that follow them.
        query: where among these the query's are.
    """
    before = cache.get_seq_length()
    with _eager(model):
        output = model(
            input_ids=torch.tensor([closing], device=model.device),
            past_key_values=cache,
            use_cache=True,
            output_attentions=True,
            logits_to_keep=1,
        )
    cache.crop(-len(closing))
    # (heads, query's tokens, tokens before) of each layer.
    layers = (weights[0, :, query, :before].float() for weights in output.attentions)
    return torch.stack([weights.sum(0).mean(0) for weights in layers]).sum(0).cpu()


def kept_sum(values: Tensor) -> float:
    """The sum of a passage's tokens, `(tokens,)`, without those two deviations below the mean."""
    if len(values) < 2:
        return float(values.sum())
    least = values.mean() - _DEVIATIONS * values.std()
    return float(values[values >= least].sum())


@contextmanager
def _eager(model: "PreTrainedModel") -> Iterator[None]:
    """Attention that tells its weights; fused kernels do not."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _filled(parts: Sequence[Part], values: Mapping[str, TokenIds]) -> TokenIds:
    """As `reranker.filling.filled`, of identifiers of several tokens."""
    return tuple(chain.from_iterable(p if isinstance(p, tuple) else values[p.kind] for p in parts))
