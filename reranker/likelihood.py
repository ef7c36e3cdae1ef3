"""How likely a query is after a passage, as the model reads it: the query-likelihood model.

The pass that ranks has read the query after every passage, so the probability that the model gave
each of its tokens there costs the head's products alone. Untrained models rank well by it: see
Ponte and Croft (SIGIR 1998), and UPR (arXiv 2204.07496).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Logits held in single precision at a time.
_ROWS = 256


def log_likelihoods(logits: Tensor, asked: Sequence[tuple[int, int]], blocks: int) -> Tensor:
    """The log-likelihood of the query after each block, `(blocks,)`, in nats, on the CPU.

    Args:
        logits: `(tokens, vocabulary)`, where the query's tokens are predicted, block by block.
        asked: the places of those predictions and the token that comes next, as
            `Prompt.predictions` gives them.
        blocks: how many there are, each with as many tokens.
    """
    targets = torch.tensor([token for _, token in asked], device=logits.device)
    parts = zip(torch.split(logits, _ROWS), torch.split(targets, _ROWS), strict=True)
    found = torch.cat([F.cross_entropy(x.float(), y, reduction="none") for x, y in parts])
    return -found.view(blocks, -1).sum(1).cpu()
