"""FSDP: weights, gradients and optimizer state cut up over the processes of a run.

- torch's `fully_shard` cuts each decoder layer by itself, and what is left, embeddings and head,
  as one piece that stays whole from the forward pass to the backward pass: the head that
  `training.forward` swaps in is made of it.
- Checkpoints hold whole weights and a whole optimizer state, as those of any run do, so a run may
  go on with another number of processes.
- Arithmetic is that of an unsharded run: nothing is cast for the way between processes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from reranker.errors import SettingsError
from training.errors import TrainingError
from training.model import ListwiseModel, Output
from training.pack import Pack
from training.trainer import ListwiseTrainer

_PREFIX = "base."


class ShardedModel(ListwiseModel):
    """A `ListwiseModel` of which every process holds a part."""

    _whole: dict[str, Tensor] | None = None

    def forward(self, pack: Pack) -> Output:
        """As `ListwiseModel.forward`."""
        found = super().forward(pack)
        # FSDP does not take views: an operation in place would pass by its hooks.
        return found._replace(answers=None if found.answers is None else found.answers.clone())

    def save(self, folder: Path, weights: dict[str, Tensor] | None = None) -> None:
        """Write the whole weights, gathered by `gathered`, into a folder."""
        weights = self._whole if weights is None else weights
        assert weights is not None, "a part of a model is never saved as the whole"
        super().save(folder, weights)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Hold the whole weights on process 0, for it to save; all processes take part."""
        options = StateDictOptions(
            full_state_dict=True, cpu_offload=True, ignore_frozen_params=self.adapted is not None
        )
        found: dict[str, Any] = get_model_state_dict(self, options=options)
        named = {name.removeprefix(_PREFIX): value for name, value in found.items()}
        tied = getattr(self.base, "all_tied_weights_keys", None) or ()
        self._whole = {name: value for name, value in named.items() if name not in tied}
        try:
            yield
        finally:
            self._whole = None

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Keep gradients of the passes within from meeting those of other processes yet."""
        self.set_requires_gradient_sync(False)  # type: ignore[operator]
        try:
            yield
        finally:
            self.set_requires_gradient_sync(True)  # type: ignore[operator]


class ShardedTrainer(ListwiseTrainer):
    """A `ListwiseTrainer` of a `ShardedModel`."""

    model: ShardedModel

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not hasattr(self, "is_distributed_loading_by_transformers"):
            raise TrainingError(
                "fsdp needs a version of transformers whose Trainer takes a sharded model, such "
                "as 5.23; update transformers, or leave fsdp out"
            )
        # Leaves where the weights lie, and how gradients meet, to the model. Said only here,
        # since Trainer itself has no checkpoints for such models.
        self.is_distributed_loading_by_transformers = True

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> Tensor:
        """As `ListwiseTrainer.training_step`, in as many passes as any process needs."""
        packs: list[Pack] = inputs["packs"]
        # Each pass gathers the layers from all processes: one that has fewer passes to make, its
        # windows being shorter, would leave the others waiting.
        for _ in range(self._most(len(packs)) - len(packs)):
            with self.model.no_sync():
                self._pass(model, packs[0], 0.0)
        return super().training_step(model, inputs, num_items_in_batch)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write what the trained model is loaded from."""
        with self.model.gathered():
            super().save_model(output_dir, _internal_call)

    def _move_model_to_device(self, model: Any, device: Any) -> None:
        # It was sharded where it belongs.
        pass

    def _keep(self) -> None:
        with self.model.gathered():
            super()._keep()

    def _most(self, count: int) -> int:
        """The largest count that any process has."""
        most = torch.tensor(count, device=self.args.device)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        return int(most)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        # The weights were restored before they were sharded.
        pass

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        state = get_optimizer_state_dict(
            self.model,
            self.optimizer.optimizer,
            options=StateDictOptions(full_state_dict=True, cpu_offload=True),
        )
        if self.args.should_save:
            torch.save(state, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        set_optimizer_state_dict(
            self.model,
            self.optimizer.optimizer,
            _read(Path(checkpoint) / OPTIMIZER_NAME),
            options=StateDictOptions(full_state_dict=True),
        )
        self.lr_scheduler.load_state_dict(_read(Path(checkpoint) / SCHEDULER_NAME))


def shard(model: ListwiseModel, device: torch.device, checkpoint: Path | None) -> ShardedModel:
    """The same model, with the weights of a checkpoint if there is one, cut up over all processes.

    Raises:
        SettingsError: for a single process, or a model that does not tell its decoder layers.
    """
    if not dist.is_initialized() or dist.get_world_size() < 2:
        raise SettingsError(
            "fsdp: true cuts the model up over several processes, and this run has one; start it "
            "with torchrun --nproc_per_node N -m training …, or leave fsdp out"
        )
    layers = set(getattr(model.base, "_no_split_modules", None) or ())
    found = [module for module in model.base.modules() if type(module).__name__ in layers]
    if not found:
        raise SettingsError(
            f"{type(model.base).__name__} does not tell which of its modules are decoder layers, "
            "so it cannot be cut up; leave fsdp out"
        )
    if checkpoint is not None:
        model.restore(checkpoint)
    sharded = ShardedModel(model.base, model.adapted, neftune=model.neftune)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for layer in found:
        fully_shard(layer, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    return sharded


def _read(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)
