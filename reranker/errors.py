"""The exceptions of the library, all catchable as `RerankerError`.

RerankerError
├── InputError (also ValueError)        the caller's query, passages or options
│   └── WindowTooLargeError             a window that no shrinking fits into its budget
├── SettingsError (also ValueError)     reranker settings, layouts and templates
│   └── IdentifierError                 identifiers that are not one token each
├── ModelError                          loading a model
│   └── MissingWeightsError             the weights are not on this machine
├── DataError (also ValueError)         a collection, run or qrels file that cannot be read
├── MissingExtraError (also ImportError) an optional dependency that is not installed
├── EngineError                         a forward pass that gave no usable logits
│   └── NonFiniteLogitsError            NaN or infinity among the identifier logits
└── RemoteError                         a service that refused, or answered no ranking
    ├── BusyError                       it has too much to do, or is not ready
    ├── DeadlineError (also TimeoutError)        no answer came in time
    └── UnreachableError (also ConnectionError)  nothing answered

Every message says what was found, what was expected and how to mend it.
"""

from collections.abc import Sequence
from typing import Any


class RerankerError(Exception):
    """Any error that this library raises on purpose."""


class InputError(RerankerError, ValueError):
    """A query, a passage or an option that cannot be ranked."""


class WindowTooLargeError(InputError):
    """A window that stays over its token budget however far its passages are cut."""


class SettingsError(RerankerError, ValueError):
    """Reranker settings, a layout or a template that do not make sense."""


class IdentifierError(SettingsError):
    """Identifiers that the tokenizer at hand does not hold as one token each."""


class ModelError(RerankerError):
    """A model, tokenizer or adapter that cannot be loaded or used."""


class MissingWeightsError(ModelError):
    """Weights that are not on this machine."""


class DataError(RerankerError, ValueError):
    """A collection, run or qrels file that cannot be read."""


class MissingExtraError(RerankerError, ImportError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self._arguments = (package, extra, purpose)
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'reranker[{extra}]'"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments


class EngineError(RerankerError):
    """A forward pass that gave no usable logits."""


class NonFiniteLogitsError(EngineError):
    """NaN or infinity among the identifier logits of some rows; `rows` are their places."""

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows = tuple(rows)
        super().__init__(
            f"the model gave NaN or infinite identifier logits for row(s) {list(rows)} of the "
            "pass; they are never turned into a ranking. Half precision can overflow: try "
            "dtype='float32' (or 'bfloat16' in place of 'float16'), and check the weights."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.rows,)


class RemoteError(RerankerError):
    """A service that refused a request, or gave an answer that is no ranking.

    `status` is the HTTP status, where there was one; `retry_after` the seconds after which the
    service said it is worth trying again.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


class BusyError(RemoteError):
    """A service that has too much to do, or is not ready: later it may answer."""


class DeadlineError(RemoteError, TimeoutError):
    """A service whose answer did not come in time."""


class UnreachableError(RemoteError, ConnectionError):
    """A service that nothing was heard of, or whose connection broke."""
