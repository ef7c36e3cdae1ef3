"""What ranks one query's candidates: its strategy over them, its prompts, its prior."""

from functools import partial

from reranker.candidates import Candidates
from reranker.dealing import content_order
from reranker.lockstep import Job
from reranker.prompter import Prompter
from reranker.strategies import Strategy, rearranged, strategy_of


def job_of(prompter: Prompter, candidates: Candidates, *, priority: float = 0) -> Job:
    """The job that ranks candidates, from `Prompter.encode`, in a `Lockstep`."""
    return Job(
        strategy_over(prompter, candidates),
        partial(prompter.prompt, candidates),
        priority=priority,
        prior=prompter.prior(candidates),
    )


def strategy_over(prompter: Prompter, candidates: Candidates) -> Strategy:
    """The strategy over candidates: in first-stage order, or in one that follows from their texts.

    Where a window's scores do not depend on the order of its passages, and nothing is asked of the
    first stage's order, then nothing else does: the same candidates have the same windows.
    """
    strategy = strategy_of(prompter.settings)(len(candidates))
    if not prompter.layout.apart or prompter.settings.prior:
        return strategy
    return rearranged(strategy, content_order(candidates.passages))
