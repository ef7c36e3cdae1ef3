"""What ranks one query's candidates: its strategy over them, its prompts, its prior."""

from collections.abc import Callable
from functools import partial

from reranker.candidates import Candidates
from reranker.dealing import content_order
from reranker.lockstep import Job
from reranker.prompter import Prompter
from reranker.strategies import Strategy, rearranged

Strategies = Callable[[int], Strategy]


def job_of(
    prompter: Prompter, strategies: Strategies, candidates: Candidates, *, priority: float = 0
) -> Job:
    """The job that ranks candidates, from `Prompter.encode`, in a `Lockstep`."""
    return Job(
        strategy_over(prompter, strategies, candidates),
        partial(prompter.prompt, candidates),
        priority=priority,
        prior=prompter.prior(candidates),
    )


def strategy_over(prompter: Prompter, strategies: Strategies, candidates: Candidates) -> Strategy:
    """The strategy over candidates: in first-stage order, or in one that follows from their texts.

    Where a window's scores do not depend on the order of its passages, and nothing is asked of the
    first stage's order, then nothing else does: the same candidates have the same windows.
    """
    strategy = strategies(len(candidates))
    if not prompter.layout.apart or prompter.prior(candidates):
        return strategy
    return rearranged(strategy, content_order(candidates.passages))
