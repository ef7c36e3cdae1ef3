"""The passage cache: keys and values of passages, computed once and reused by every later query.

For layouts whose blocks depend on nothing but their passage (`blocks`): in memory up to a budget,
the least recently used going first, and on disk where a folder is given.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path

from torch import Tensor

from reranker.errors import SettingsError
from reranker.kept import Kept
from reranker.passage_store import PassageStore
from reranker.settings import STORED

TokenIds = tuple[int, ...]
Read = Callable[[TokenIds, Sequence[TokenIds]], Iterable[Tensor]]
"""Reads prefix and passages; see `reranker.reading.read`."""
OBJECTS = 2560
"""Bytes of the objects around a passage's keys and values, as measured; of short ones, the most."""


@dataclass(slots=True)
class CacheStatistics:
    """What a cache has done: passages by where they were found, and tokens that were spared."""

    memory: int = 0
    disk: int = 0
    computed: int = 0
    damaged: int = 0
    tokens_saved: int = 0

    def since(self, before: "CacheStatistics") -> "CacheStatistics":
        """What was done after these statistics were taken."""
        names = [field.name for field in fields(self)]
        return CacheStatistics(**{n: getattr(self, n) - getattr(before, n) for n in names})

    @property
    def hit_rate(self) -> float:
        """The share of passages that were not computed; 0 before any."""
        found = self.memory + self.disk
        return found / (found + self.computed) if found + self.computed else 0.0


class PassageCache:
    """Keeps what a model has read of passages.

    Args:
        memory: bytes in memory.
        folder: where passages are kept on disk as well; needs the extra `cache`.
        disk: bytes on disk.
        stored: `float32` exactly as computed, `float16`, `bfloat16` or `int8`.

    Raises:
        SettingsError: for a budget below 0 or an unknown type.
    """

    def __init__(
        self,
        memory: int = 2 << 30,
        *,
        folder: str | Path | None = None,
        disk: int = 64 << 30,
        stored: str = "float16",
    ) -> None:
        if memory < 0 or disk <= 0 or stored not in STORED:
            raise SettingsError(
                "a passage cache needs memory of 0 bytes or more, disk above 0 and stored as one "
                f"of {STORED}, found {memory=}, {disk=}, {stored=}"
            )
        self.memory, self.stored = memory, stored
        self.statistics = CacheStatistics()
        self.store = None if folder is None else PassageStore(folder, budget=disk)
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self._bytes

    def fetch(
        self, model: bytes, prefix: TokenIds, passages: Sequence[TokenIds], read: Read
    ) -> tuple[Kept, list[Kept]]:
        """The prefix and passages, read by the model where they are not kept yet.

        Args:
            model: tells one model's states from another's.
            prefix: what passages are read after.
            passages: token ids of each.
            read: reads the missing ones, all in one call.
        """
        texts = [prefix, *passages]
        keys = [self.key(model, prefix, text) for text in texts]
        found = self._found(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        self._count(keys[1:], texts[1:], missing)
        if missing:
            found |= self._compute(keys[0], prefix, missing, read)
        return found[keys[0]], [found[key] for key in keys[1:]]

    def add(self, model: bytes, prefix: TokenIds, passages: Sequence[TokenIds], read: Read) -> int:
        """Read the passages that are kept nowhere yet; how many these were. See `fetch`."""
        first = self.key(model, prefix, prefix)
        keyed = {self.key(model, prefix, passage): passage for passage in passages}
        missing = {key: text for key, text in keyed.items() if not self._has(key)}
        if missing:
            self._compute(first, prefix, missing, read)
        self.statistics.computed += len(missing)
        return len(missing)

    def _has(self, key: bytes) -> bool:
        return key in self._kept or (self.store is not None and self.store.has(key))

    def key(self, model: bytes, prefix: TokenIds, passage: TokenIds) -> bytes:
        """What a passage is kept under."""
        told = repr((model, self.stored, prefix, passage if passage is not prefix else None))
        return blake2b(told.encode(), digest_size=32).digest()

    def _found(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        found = {key: self._kept[key] for key in keys if key in self._kept}
        for key in found:
            self._kept.move_to_end(key)
        self.statistics.memory += len(found.keys() & set(keys[1:]))
        if self.store is not None and len(found) < len(set(keys)):
            stored, damaged = self.store.get(dict.fromkeys(key for key in keys if key not in found))
            self.statistics.disk += len(stored.keys() & set(keys[1:]))
            self.statistics.damaged += damaged
            self._remember(stored)
            found |= stored
        return found

    def _compute(
        self, first: bytes, prefix: TokenIds, missing: dict[bytes, TokenIds], read: Read
    ) -> dict[bytes, Kept]:
        wanted = [key for key in missing if key != first]
        states = read(prefix, [missing[key] for key in wanted])
        made = {
            key: Kept.of(state, self.stored)
            for key, state in zip([first, *wanted], states, strict=True)
        }
        self._remember(made)
        if self.store is not None:
            self.store.put(made)
        return made

    def _remember(self, kept: dict[bytes, Kept]) -> None:
        for key, passage in kept.items():
            if key not in self._kept and _size(passage) <= self.memory:
                self._kept[key] = passage
                self._bytes += _size(passage)
        while self._bytes > self.memory:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= _size(dropped)

    def _count(
        self, keys: Sequence[bytes], texts: Sequence[TokenIds], missing: dict[bytes, TokenIds]
    ) -> None:
        self.statistics.computed += len(missing.keys() & set(keys))
        self.statistics.tokens_saved += sum(
            len(text) for key, text in zip(keys, texts, strict=True) if key not in missing
        )


def _size(kept: Kept) -> int:
    return kept.nbytes + OBJECTS
