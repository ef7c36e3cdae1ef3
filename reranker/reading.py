"""Passages read by a model ahead of any query, and queries answered over what was kept of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reranker.adapted_tokens import adapted
from reranker.errors import EngineError, ModelError
from reranker.levels import Levels, positions
from reranker.packed_rows import Attend, PackedRows, Rows
from reranker.slots import Slots

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TokenIds = Sequence[int]


class Recording:
    """Rows that note every layer's keys and values on their way."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._layers: dict[int, Tensor] = {}

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, band: int | None, sdpa: Attend
    ) -> Tensor:
        """As `Rows.attend`."""
        self._layers[layer] = torch.stack([key[0], value[0]]).transpose(1, 2)
        return self._rows.attend(layer, query, key, value, band, sdpa)

    def states(self) -> Tensor:
        """`(2, layers, tokens, kv_heads, head_dim)`."""
        return torch.stack([self._layers[layer] for layer in sorted(self._layers)], dim=1)


@torch.inference_mode()
def read(model: "PreTrainedModel", prefix: TokenIds, passages: Sequence[TokenIds]) -> list[Tensor]:
    """Keys and values of the prefix, then of each passage as it is read after the prefix.

    Args:
        model: a packed model.
        prefix: token ids, at least one.
        passages: token ids of each; there may be none.

    Returns:
        `(2, layers, tokens, kv_heads, head_dim)` each.
    """
    lengths = [len(prefix), *map(len, passages)]
    own = (tuple(lengths[1:]),) if passages else ()
    levels: Levels = ((len(prefix),), *own)
    recording = Recording(PackedRows([levels]))
    tokens = [*prefix, *(token for passage in passages for token in passage)]
    _forward(model, tokens, positions(levels), recording, [0], acting=False)
    return list(torch.split(recording.states(), lengths, dim=2))


@torch.inference_mode()
def answer(
    model: "PreTrainedModel", slots: Slots, tokens: TokenIds, also: Sequence[int] = ()
) -> Tensor:
    """The logits after the last token and then at further places, `(1 + also, rows of the head)`.

    Args:
        model: a packed model.
        slots: the passages kept; they are filled on the way, so each serves one call.
        tokens: every passage's tail, in order, and the closing.
        also: places among the tokens.
    """
    return _forward(model, tokens, slots.positions, slots, [len(tokens) - 1, *also])


@contextmanager
def in_memory(device: torch.device) -> Iterator[None]:
    """Turn a device out of memory into an error that says what to do."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise EngineError(
            f"a window over kept passages does not fit into the memory of {device}; use a smaller "
            "window, fewer passage_tokens, or less memory for the passage cache"
        ) from error


def check_keeps(model: "PreTrainedModel", packs: bool) -> None:
    """Refuse a cache for a model over whose passages nothing can be kept."""
    config = model.config.get_text_config()
    types = getattr(config, "layer_types", None)
    banded = "sliding_attention" in types if types else getattr(config, "sliding_window", None)
    if banded or not packs:
        why = "has layers that see a bounded stretch of tokens" if banded else "cannot be packed"
        raise ModelError(
            f"{type(model).__name__} {why}, so nothing can be kept of its passages; leave the "
            "passage cache out for this model"
        )


def _forward(
    model: "PreTrainedModel",
    tokens: TokenIds,
    places: Sequence[int],
    rows: Rows,
    read: Sequence[int],
    *,
    acting: bool = True,
) -> Tensor:
    output = model(
        **adapted(model, [acting]),
        input_ids=torch.tensor([list(tokens)], device=model.device),
        position_ids=torch.tensor([list(places)], device=model.device),
        packed_rows=rows,
        logits_to_keep=torch.tensor(list(read), device=model.device),
        use_cache=False,
    )
    logits: Tensor = output.logits[0]
    return logits
