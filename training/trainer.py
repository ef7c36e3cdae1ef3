"""The trainer: transformers' Trainer over packs, with checkpoints that are whole or not there."""

import logging
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from reranker.parts import within
from training.checkpoints import MANIFEST, PREFIX, seal, thin
from training.errors import TrainingError
from training.evaluation import Evaluation
from training.examples import Example, Examples
from training.model import ListwiseModel
from training.objectives import Objective, PassageScores, TokenLogits
from training.pack import Pack, packed
from training.recipe import FILE_NAME as RECIPE
from training.recipe import Recipe
from training.result import Result

METRIC = "eval_ndcg@10"
KEPT = 2

log = logging.getLogger(__name__)


class Collator:
    """Makes the windows of a step packs of at most `tokens` tokens."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def __call__(self, examples: Sequence[Example]) -> dict[str, list[Pack]]:
        """`packs`: one a forward pass."""
        return {"packs": [packed(part) for part in within(examples, len, self.tokens)]}


class ListwiseTrainer(Trainer):  # type: ignore[misc]
    """Trains a `ListwiseModel` on examples, in their order.

    A step's passes weigh by their queries, so that every query weighs the same however the step is
    split, but for those that a loss learns nothing from. The devices share its windows. The best
    weights by the mean nDCG@10 of the dev sets go to `result`, or the latest where there are none.

    Args:
        model: what is trained.
        arguments: see `training.arguments`.
        examples: all windows of the run.
        objective: the loss.
        evaluation: the dev sets, maybe none.
        result: where and how weights are written.
        pass_tokens: the most tokens of one forward pass.
        reference_kl: the weight of the divergence from the reference, where the model has one.
    """

    def __init__(
        self,
        model: ListwiseModel,
        arguments: TrainingArguments,
        examples: Examples,
        *,
        objective: Objective,
        evaluation: Evaluation,
        result: Result,
        pass_tokens: int,
        reference_kl: float = 0.0,
    ) -> None:
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=examples,
            eval_dataset=evaluation.dev,
            data_collator=Collator(pass_tokens),
            callbacks=[Reports(judged=bool(evaluation.dev))],
        )
        self.remove_callback(PrinterCallback)
        self.objective, self.evaluation, self.result = objective, evaluation, result
        self.reference_kl = reference_kl
        self.measures: dict[str, float] = {}

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        # The mixture has shuffled; a run that goes on needs the windows by number.
        return SequentialSampler(train_dataset or self.train_dataset)

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> Tensor:
        """One pass forward and back for each pack; the step's loss."""
        packs: list[Pack] = inputs["packs"]
        rows = sum(map(len, packs))
        losses = []
        for number, pack in enumerate(packs, 1):
            last = number == len(packs)
            with nullcontext() if last else self.accelerator.no_sync(model):
                losses.append(self._pass(model, pack, len(pack) / rows))
        return torch.stack(losses).sum()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The objective of one pack, in proportion to its share of the step's windows."""
        pack: Pack = inputs["pack"].to(self.args.device)
        scores, answers, divergence = model(pack)
        loss = self.objective(PassageScores(scores, pack.labels, pack.mask), _tokens(pack, answers))
        if divergence is not None:
            loss = loss + self.reference_kl * divergence
        loss = inputs["share"] * loss
        if not bool(loss.detach().isfinite()):
            raise TrainingError(
                f"the loss became NaN or infinite at step {self.state.global_step + 1}; lower the "
                "learning_rate, lengthen the warmup, or use dtype: float32"
            )
        return (loss, scores) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Rank the dev sets; keep the weights where their mean nDCG@10 is the best so far."""
        self.measures = self.evaluation.measure(self.model, self.args.device)
        mean = sum(self.measures.values()) / len(self.measures)
        metrics = {f"eval_{name}_ndcg@10": value for name, value in self.measures.items()}
        metrics[METRIC] = mean
        self.log(dict(metrics))
        self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if self.state.best_metric is None or mean > self.state.best_metric:
            self.state.best_metric = mean
            self._keep()
        return metrics

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write what the trained model is loaded from."""
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            self.result.write(folder, self.model, self.state.global_step, self.measures)

    def _pass(self, model: nn.Module, pack: Pack, share: float) -> Tensor:
        try:
            with self._uncast():
                loss: Tensor = super().training_step(model, {"pack": pack, "share": share})
        except torch.cuda.OutOfMemoryError as error:
            raise TrainingError(
                f"a pass of {len(pack.tokens)} tokens does not fit into the device's memory; "
                "lower pass_tokens, or set gradient_checkpointing: true"
            ) from error
        return loss

    def _uncast(self) -> AbstractContextManager[None]:
        """Without PEFT's copies of LoRA's inputs in single precision, which autocast undoes."""
        from peft.helpers import disable_input_dtype_casting

        adapted, casts = self.model.adapted, self.args.bf16 or self.args.fp16
        return disable_input_dtype_casting(adapted) if adapted and casts else nullcontext()

    def _keep(self) -> None:
        if self.args.should_save:
            with _writing(self.result.folder):
                self.result.keep(self.model, self.state.global_step, self.measures)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"{PREFIX}{self.state.global_step}"
        with _writing(folder):
            if self.args.should_save and folder.exists():
                # Left by a run that was broken off, or damaged since.
                (folder / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(folder)
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                seal(folder)
                thin(folder.parent, KEPT)
        if not self.evaluation.dev:
            self._keep()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        self.model.restore(folder)
        if Recipe.read(folder / RECIPE).dev != self.result.record.recipe.dev:
            self.add_callback(Forgets())


class Forgets(TrainerCallback):  # type: ignore[misc]
    """Other dev sets than before: no mean of theirs is the best so far."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Forget what the checkpoint held as the best."""
        state.best_metric = None


class Reports(TrainerCallback):  # type: ignore[misc]
    """Logs a run's figures, and has the last step judged."""

    def __init__(self, *, judged: bool) -> None:
        self.judged = judged

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Judge the last step, whatever `evaluate_every` is."""
        if self.judged and state.global_step >= state.max_steps:
            control.should_evaluate = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """One line a log."""
        figures = ", ".join(f"{k} {v:.4g}" for k, v in (logs or {}).items() if k != "epoch")
        log.info("step %d of %d: %s", state.global_step, state.max_steps, figures)


class _writing:  # noqa: N801 - reads as the block that it opens
    """Turns a failed write into an error that says what to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, OSError | SafetensorError) or (
            isinstance(error, RuntimeError) and "write" in str(error).lower()
        ):
            raise TrainingError(
                f"{self.folder} cannot be written ({error}); free some space and start the same "
                "command again: it goes on from the last whole checkpoint"
            ) from error


def _tokens(pack: Pack, logits: Tensor | None) -> TokenLogits | None:
    if logits is None or pack.answers is None:
        return None
    answers = pack.answers
    return TokenLogits(logits, answers.targets, answers.mask, answers.ranks)
