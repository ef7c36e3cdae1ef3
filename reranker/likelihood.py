"""How likely a query is after a passage, as the model reads it: the query-likelihood model.

The pass that ranks has read the query after every passage, so the probability that the model gave
each of its tokens there costs the head's products alone. Untrained models rank well by it: see
Ponte and Croft (SIGIR 1998), and UPR (arXiv 2204.07496).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reranker.head import ExactHead
from reranker.packing import alike, packed_logits
from reranker.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Head = Callable[[Tensor], Tensor]
"""Logits `(tokens, vocabulary)` out of what a model without its head gives."""
# Positions whose logits are held at a time: those of all would be gigabytes.
_ROWS = 256
_SAMPLE = (101, 7, 45)


def take_head(model: "PreTrainedModel") -> Head:
    """Take a packed model's head off: its states then stand where its logits were.

    What is returned computes in float32, by a copy of the weights of a model in fewer bits.
    A model that does more to its logits than its head keeps it, and what is returned does nothing.
    """
    head: nn.Module = model.get_output_embeddings()
    expected = packed_logits(model, [_SAMPLE]).float()
    model.set_output_embeddings(nn.Identity())
    with torch.inference_mode():
        found = head(packed_logits(model, [_SAMPLE])).float()
    if alike(found, expected, model.dtype):
        return ExactHead(head) if type(head) is nn.Linear else head
    model.set_output_embeddings(head)
    return nn.Identity()


@torch.inference_mode()
def log_likelihoods(
    states: Tensor, asked: Sequence[tuple[int, int]], blocks: int, head: Head
) -> Tensor:
    """The log-likelihood of the query after each block, `(blocks,)`, in nats, on the CPU.

    Args:
        states: `(tokens, width)`, where the query's tokens are predicted, block by block.
        asked: the places of those predictions and the token that comes next, as
            `Prompt.predictions` gives them.
        blocks: how many there are, each with as many tokens.
        head: of the model, from `take_head`.
    """
    targets = torch.tensor([token for _, token in asked], device=states.device)
    parts = zip(torch.split(states, _ROWS), torch.split(targets, _ROWS), strict=True)
    found = torch.cat([F.cross_entropy(head(x).float(), y, reduction="none") for x, y in parts])
    return -found.view(blocks, -1).sum(1).cpu()


def weighted(likelihoods: Tensor, prompt: Prompt) -> Tensor:
    """What a prompt's scores take of its blocks' likelihoods, `(candidates,)`, null candidate last.

    An empty passage has the least of all: after nothing a query is likelier than after what has
    nothing to do with it.
    """
    assert prompt.asked is not None, "called where the likelihood is asked for"
    found = likelihoods[list(prompt.asked.places)]
    passages = prompt.passages
    of_passages = prompt.asked.places[: len(prompt.identifier_ids)]
    for candidate, place in enumerate(of_passages):
        if not passages[place]:
            found[candidate] = likelihoods.min()
    return prompt.asked.weight * found
