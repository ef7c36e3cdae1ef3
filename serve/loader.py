"""Loads the rerankers of one replica: they share its passage cache, and weights if they are to."""

from collections.abc import Callable

from reranker.checkpoint import Checkpoint
from reranker.hub import locate
from reranker.passage_cache import PassageCache
from reranker.reranker import Reranker
from reranker.shared_base import SharedBase
from serve.settings import ServeSettings


class Loader:
    """Loads a model with an adapter merged into it, or as the settings name it.

    All are to be read by one thread.
    """

    def __init__(self) -> None:
        self._cache: PassageCache | None = None
        self._base: SharedBase | None = None

    def __call__(
        self,
        settings: ServeSettings,
        adapter: str | None,
        make_room: Callable[[], None] = lambda: None,
    ) -> Reranker:
        """The reranker of these settings, with an adapter's folder or name merged into it.

        Args:
            settings: name the model.
            adapter: its folder or name.
            make_room: called once the adapter is on this machine, before weights are read.

        Raises:
            RerankerError: for one that cannot be loaded, or settings that it cannot meet.
        """
        if settings.cache is not None and self._cache is None:
            self._cache = settings.cache.make()
        if adapter is not None:
            locate(adapter)
        make_room()
        options = {
            "batch_tokens": settings.batch_tokens,
            "cache": self._cache,
            **settings.overrides,
        }
        if settings.adapters and settings.adapter_weights == "shared":
            return Reranker(self._shared(settings, adapter), **options)  # type: ignore[arg-type]
        return Reranker(
            settings.model,
            adapter=adapter,
            dtype=settings.dtype,
            device=settings.device,
            **options,  # type: ignore[arg-type]
        )

    def _shared(self, settings: ServeSettings, adapter: str | None) -> Checkpoint:
        if self._base is None:
            self._base = SharedBase(settings.model, dtype=settings.dtype, device=settings.device)
        return self._base.checkpoint(adapter)
