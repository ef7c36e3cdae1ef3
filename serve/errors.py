"""Refusals: what a client is told, with a status, and when to come again."""

from enum import Enum

from reranker.errors import RerankerError


class Refusal(Enum):
    """Why a request is not answered; each has one HTTP status."""

    MALFORMED = 400
    UNAUTHORISED = 401
    UNKNOWN_MODEL = 404
    BODY_TOO_LARGE = 413
    UNPROCESSABLE = 422
    QUEUE_FULL = 429
    CLIENT_GONE = 499
    FAILED = 500
    NOT_READY = 503
    DEADLINE = 504


class ServiceError(RerankerError):
    """A request that is refused.

    Args:
        refusal: why.
        message: what was found, what was expected and how to mend it; never a text or a key.
        retry_after: seconds after which it is worth trying again, where it is.
    """

    def __init__(self, refusal: Refusal, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.refusal, self.retry_after = refusal, retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.refusal.value)
