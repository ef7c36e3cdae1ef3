"""How well a model in training ranks the dev sets, prompted as its users will prompt it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from data.measures import ndcg
from reranker.jobs import job_of
from reranker.lockstep import Job, Lockstep, run
from reranker.prompt import Prompt
from reranker.prompter import Prompter
from reranker.settings import Settings
from training.dev import DevQuery, DevSet
from training.examples import example_of
from training.pack import packed


class Evaluation:
    """Ranks dev sets with a model and gives the mean nDCG@10 of each.

    Args:
        dev: the dev sets.
        prompter: prompts as `settings` say.
        settings: what the trained reranker will carry.
        pass_tokens: the most tokens of one forward pass.
    """

    def __init__(
        self, dev: Sequence[DevSet], prompter: Prompter, settings: Settings, *, pass_tokens: int
    ) -> None:
        self.dev, self.pass_tokens = tuple(dev), pass_tokens
        self._prompter = prompter
        self._frozen = settings.frozen_passages

    def measure(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """The mean nDCG@10 of every dev set, by its name, in [0, 1].

        Raises:
            RerankerError: for a query that cannot be ranked.
        """
        with _judged(model):
            return {dev.name: self._mean(dev, model, device) for dev in self.dev}

    def _mean(self, dev: DevSet, model: nn.Module, device: torch.device) -> float:
        jobs = {self._job(query): query for query in dev.queries}
        total = 0.0
        score = partial(_score, model, device, self._frozen)
        for job in run(iter(jobs), Lockstep(score, self.pass_tokens)):
            query = jobs[job]
            if job.error is not None:
                job.error.add_note(f"while ranking {query.text!r:.60} of dev set {dev.name!r}")
                raise job.error
            total += ndcg([query.grades[place] for place in job.order or ()], query.judged)
        return total / len(dev.queries)

    def _job(self, query: DevQuery) -> Job:
        candidates = self._prompter.encode(query.text, query.passages)
        return job_of(self._prompter, candidates)


def _score(
    model: nn.Module, device: torch.device, frozen: bool, prompts: Sequence[Prompt]
) -> list[tuple[float, ...]]:
    rows = packed([example_of(prompt, frozen=frozen) for prompt in prompts])
    logits = model(rows.to(device))[0].float().cpu()
    return [
        tuple(row[: len(p.identifier_ids)].tolist()) for row, p in zip(logits, prompts, strict=True)
    ]


@contextmanager
def _judged(model: nn.Module) -> Iterator[None]:
    """Without gradients or dropout; what the model was in before comes back."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
