"""What stops a training run."""

from reranker.errors import RerankerError


class TrainingError(RerankerError):
    """A run that cannot go on: diverged, out of disk, or not the run its folder holds."""
