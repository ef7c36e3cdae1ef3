"""The rerankers of one replica: the default one, and adapters, loaded when first asked for."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from reranker.reranker import Reranker
from serve.errors import Refusal, ServiceError
from serve.settings import ServeSettings

Load = Callable[[ServeSettings, str | None, Callable[[], None]], Reranker]
"""Loads a model with an adapter; what is called before weights are read makes room for them."""
# An adapter that could not be loaded is not tried again for so long: trying holds all passes up.
_FAILED_SECONDS = 60.0


class Models:
    """Finds the reranker that a request names.

    The default stays loaded; of the adapters the `max_adapters` last asked for do. One that is
    let go lives on until the work that is under way with it is done.

    Args:
        settings: names the model and its adapters.
        load: loads a reranker.
    """

    def __init__(self, settings: ServeSettings, load: Load) -> None:
        self._settings = settings
        self._load = load
        self._lock = Lock()
        self._default: Reranker | None = None
        self._adapted: OrderedDict[str, Reranker] = OrderedDict()
        self._failed: dict[str, float] = {}

    @property
    def default(self) -> Reranker:
        """The default reranker.

        Raises:
            ServiceError: NOT_READY, before `load` has loaded it.
        """
        if self._default is None:
            raise ServiceError(
                Refusal.NOT_READY, "the model is being loaded; come again", retry_after=5.0
            )
        return self._default

    @property
    def name(self) -> str:
        """What the default reranker is called."""
        return self._settings.name or self.default.name

    def resolve(self, name: str | None) -> str:
        """The name under which a request's model is loaded.

        Raises:
            ServiceError: UNKNOWN_MODEL, for a name that is neither the default's nor an adapter's,
                where the settings do not take any.
        """
        if name in self._settings.adapters:
            return str(name)
        if self._settings.any_name or self.is_default(name):
            return self.name
        known = ", ".join([self.name, *self._settings.adapters])
        raise ServiceError(
            Refusal.UNKNOWN_MODEL,
            f"this service has no model of the name that was asked for; known are: {known}",
        )

    def is_default(self, name: str | None) -> bool:
        """Whether no model, or the default by one of its names, was asked for."""
        return not name or name in (self.name, self.default.name, *self._settings.aliases)

    def loaded(self, name: str) -> Reranker | None:
        """A reranker, by its name from `resolve`, if it is loaded; from any thread.

        Raises:
            ServiceError: FAILED, for an adapter that could not be loaded in the last minute.
        """
        if name not in self._settings.adapters:
            return self.default
        with self._lock:
            if found := self._adapted.get(name):
                self._adapted.move_to_end(name)
                return found
            tried = self._failed.get(name)
        if tried is not None and time.monotonic() - tried < _FAILED_SECONDS:
            raise _not_loaded()
        return None

    def load_default(self) -> Reranker:
        """Load the default reranker; in the engine thread.

        Raises:
            RerankerError: for one that cannot be loaded.
        """
        self._default = self._load(self._settings, None, lambda: None)
        return self._default

    def load(self, name: str) -> Reranker:
        """Load a reranker, unless it is loaded already; in the engine thread.

        Raises:
            ServiceError: FAILED, for an adapter that could not be loaded in the last minute.
            RerankerError: for one that cannot be loaded.
        """
        if found := self.loaded(name):
            return found
        try:
            reranker = self._load(self._settings, self._settings.adapters[name], self._make_room)
        except Exception:
            with self._lock:
                self._failed[name] = time.monotonic()
            raise
        with self._lock:
            self._adapted[name] = reranker
        return reranker

    def _make_room(self) -> None:
        with self._lock:
            while len(self._adapted) >= self._settings.max_adapters:
                self._adapted.popitem(last=False)


def _not_loaded() -> ServiceError:
    return ServiceError(
        Refusal.FAILED,
        "the adapter that was asked for could not be loaded here, and is tried again in a minute; "
        "the service's log has the first request that asked for it",
    )
