"""The arguments that a recipe gives to transformers' Trainer."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import TrainerCallback, TrainingArguments
from transformers.integrations import TensorBoardCallback

from reranker.device import choose_device
from reranker.errors import MissingExtraError, SettingsError
from training.model import precision
from training.recipe import Recipe


def arguments(recipe: Recipe, checkpoints: Path) -> TrainingArguments:
    """Trainer's arguments; `checkpoints` is the folder for those.

    Raises:
        SettingsError: for a batch that the devices cannot share evenly, or `fsdp` in float16.
    """
    dtype = precision(recipe)
    if recipe.fsdp and dtype is torch.float16:
        raise SettingsError("fsdp does not train in float16; give dtype: bfloat16 or float32")
    made = TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=recipe.steps,
        per_device_train_batch_size=_share(recipe.batch),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        use_cpu=choose_device(recipe.device).type == "cpu",
        seed=recipe.seed % 2**32,
        logging_steps=recipe.log_every,
        logging_first_step=True,
        save_strategy="steps",
        save_steps=recipe.save_every,
        eval_strategy="steps" if recipe.dev else "no",
        eval_steps=recipe.evaluate_every,
        report_to=[],
        disable_tqdm=not sys.stderr.isatty(),
        log_level="warning",
        dataloader_num_workers=recipe.workers,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        label_names=[],
        ddp_find_unused_parameters=False,
    )
    if made.n_gpu > 1:
        # Without torchrun Trainer would split a pack over the devices, which it cannot be.
        made._n_gpu = 1
    return made


def _share(batch: int) -> int:
    """The windows of a step that one of the processes started by torchrun reads."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch % processes:
        raise SettingsError(
            f"a batch of {batch} windows cannot be shared by {processes} processes; give a "
            "multiple of them"
        )
    return batch // processes


def events(folder: Path) -> TrainerCallback:
    """Writes what is logged, losses, learning rates and dev sets' nDCG@10, for TensorBoard.

    Raises:
        MissingExtraError: where tensorboard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise MissingExtraError("tensorboard", "train", "tensorboard: true")
    callback = TensorBoardCallback()
    callback.logging_dir = str(folder)
    return callback
