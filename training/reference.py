"""The reference: the weights that training began with, which the query's likelihood is held to.

Where the likelihood of the query is part of the scores, the language model brings it along, and a
run on few domains spoils it for the others. Training therefore keeps the distribution of every
token of the queries near to what the first weights give (Learning without Forgetting, arXiv
1606.09282; the penalty is the one of reinforcement learning from human feedback, the other way
round: what the reference finds likely is to stay likely).
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.forward import read_pack
from training.pack import Pack

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Reference(nn.Module):
    """A copy of those weights of a model that are trained.

    They move between devices with the module, and are no part of its state. A tied weight is
    copied once.
    """

    def __init__(self, model: "PreTrainedModel") -> None:
        super().__init__()
        buffers = {
            weight: name.replace(".", "/")
            for name, weight in model.named_parameters()
            if weight.requires_grad
        }
        for weight, buffer in buffers.items():
            self.register_buffer(buffer, weight.detach().clone(), persistent=False)
        self._buffer_of = {
            name: buffers[weight]
            for name, weight in model.named_parameters(remove_duplicate=False)
            if weight in buffers
        }

    def divergence(self, model: "PreTrainedModel", pack: Pack, asked: Tensor) -> Tensor:
        """Kullback and Leibler's, of the queries' tokens, from the reference to the model.

        Args:
            model: the one whose weights the reference has copied.
            pack: with queries, maybe not of all its rows.
            asked: `(tokens, vocabulary)`, the model's logits for it.

        Returns:
            A scalar in nats: a query's is the mean over its tokens, after all of its passages; the
            pack's is the mean over its queries, of which those that are not asked have 0.
        """
        assert pack.queries is not None, "only queries that are asked have a likelihood"
        lost = F.kl_div(
            asked.float().log_softmax(-1),
            self._asked(model, pack).float().log_softmax(-1),
            reduction="none",
            log_target=True,
        ).sum(-1)
        query = pack.queries.candidates // pack.queries.width
        sums = lost.new_zeros(len(pack)).index_add(0, query, lost)
        return (sums / query.bincount(minlength=len(pack)).clamp(min=1)).mean()

    @torch.no_grad()
    def _asked(self, model: "PreTrainedModel", pack: Pack) -> Tensor:
        """The reference's own logits, without dropout or noise."""
        weights = {name: getattr(self, buffer) for name, buffer in self._buffer_of.items()}
        training = model.training
        try:
            asked = read_pack(model.eval(), pack, weights=weights).asked
        finally:
            model.train(training)
        assert asked is not None, "the pack has queries"
        return asked
