"""The state in which other libraries load a model: quiet, one at a time, errors made our own."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from reranker.errors import ModelError, RerankerError

CHATTY = ("transformers", "huggingface_hub", "peft")

# transformers patches torch while it builds a model, and the levels below are the process's:
# two threads that load at once would disturb each other.
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Load `what` inside this block.

    Raises:
        ModelError: in place of any error that is not our own.
    """
    with _ONE_AT_A_TIME, _quiet():
        try:
            yield
        except RerankerError:
            raise
        except Exception as error:
            raise ModelError(_explain(what, error)) from error


def brief(error: BaseException, limit: int = 300) -> str:
    """An error's kind and message on one line of at most `limit` characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:limit] + '…' if len(text) > limit else text}"


def _explain(what: str, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return (
            f"{what} needs Python code of its own to be executed, which this library never does; "
            "choose a model whose architecture the installed transformers knows by itself, or try "
            "a newer transformers"
        )
    return f"{what} cannot be loaded: {brief(error)}"


@contextmanager
def _quiet() -> Iterator[None]:
    with ExitStack() as stack:
        for name in CHATTY:
            stack.enter_context(_errors_only(logging.getLogger(name)))
        stack.enter_context(_no_bars())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _errors_only(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(max(level, logging.ERROR))
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _no_bars() -> Iterator[None]:
    """Hide the bars of reading and writing weights; those of a download stay, it can take long."""
    from transformers.utils import logging as bars

    hook = getattr(bars, "set_tqdm_hook", None)
    if hook is None:  # older transformers
        yield
        return
    previous = hook(lambda factory, arguments, options: bars.EmptyTqdm(*arguments))
    try:
        yield
    finally:
        hook(previous)
