"""Kept passages on disk: an LMDB file that several processes share."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reranker.errors import DataError, MissingExtraError, SettingsError
from reranker.kept import Kept

FILE = "passages.lmdb"

log = logging.getLogger(__name__)


class PassageStore:
    """Kept passages by key, in a folder.

    Readers never wait; one process writes at a time. When `budget` is spent nothing more is
    written, and what is there goes on being read.

    Args:
        folder: made where it is not there.
        budget: bytes that the file may grow to.

    Raises:
        MissingExtraError: where lmdb is not installed.
        SettingsError: for a folder that cannot be used.
    """

    def __init__(self, folder: str | Path, *, budget: int) -> None:
        self._lmdb = _package()
        self.path = Path(folder).expanduser() / FILE
        self.full = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One file is opened once a process: LMDB's locks belong to the process.
            self._env = _OPEN.get(self.path.resolve()) or self._lmdb.open(
                str(self.path), subdir=False, map_size=budget, max_readers=512, metasync=False
            )
        except (OSError, self._lmdb.Error) as error:
            raise SettingsError(
                f"kept passages cannot be stored in {folder} ({error}); give a folder on a local "
                "disk that this process may write to"
            ) from error
        _OPEN[self.path.resolve()] = self._env

    def __len__(self) -> int:
        return int(self._env.stat()["entries"])

    def get(self, keys: Iterable[bytes]) -> tuple[dict[bytes, Kept], int]:
        """The passages that are there and whole, by key, and how many were damaged."""
        found: dict[bytes, Kept] = {}
        damaged = 0
        with self._env.begin() as transaction:
            for key in keys:
                record = transaction.get(key)
                try:
                    if record is not None:
                        found[key] = Kept.from_bytes(record)
                except DataError as error:
                    damaged += 1
                    log.warning("%s: %s; it is computed again", self.path, error)
        return found, damaged

    def put(self, kept: Mapping[bytes, Kept]) -> None:
        """Write passages, all or none; nothing where the budget is spent."""
        if self.full or not kept:
            return
        try:
            with self._env.begin(write=True) as transaction:
                for key, passage in kept.items():
                    transaction.put(key, passage.to_bytes())
        except self._lmdb.MapFullError:
            self.full = True
            log.warning("%s has reached its budget; no more passages are written", self.path)

    def has(self, key: bytes) -> bool:
        """Whether something is there under a key, whole or not."""
        with self._env.begin() as transaction:
            return transaction.get(key) is not None

    @property
    def nbytes(self) -> int:
        """Bytes of the file in use."""
        info, stat = self._env.info(), self._env.stat()
        return int((info["last_pgno"] + 1) * stat["psize"])


_OPEN: dict[Path, Any] = {}


def _package() -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise MissingExtraError("lmdb", "cache", "keeping passages on disk") from error
    return lmdb
