"""Folders that are made once and kept in the user's cache.

- An entry is built beside its place and renamed into it, so it is whole or absent.
- A lock lets one process build while the others wait, and then use what it built.
- The manifest, written last, holds each file's size, time and sha256. Size and time are compared
  at every use, as git does with its index, and the digest only where the time differs: hashing
  540 MB each time would take longer than loading them.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from reranker.errors import ModelError
from reranker.loading import brief

VARIABLE = "RERANKER_CACHE"
MANIFEST = "manifest.json"

log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The folder that RERANKER_CACHE names, or else the user's cache folder."""
    from platformdirs import user_cache_dir

    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("reranker"))


def is_whole(entry: Path) -> bool:
    """Whether an entry is there and all its files are as they were written."""
    try:
        manifest = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))
        whole = all(_unchanged(entry / name, record) for name, record in manifest.items())
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return False
    return whole and bool(manifest)


def cached_folder(name: str, build: Callable[[Path], None], *, size: int) -> Path:
    """The cache's folder `name`, which `build` fills where it is absent or damaged.

    Args:
        name: the entry's name; whatever changes its content must change it.
        build: writes the files into the empty folder it is given.
        size: bytes that the entry will take, checked against the free space first.

    Raises:
        ModelError: for a cache that cannot be written.
    """
    root = cache_folder()
    entry = root / name
    if is_whole(entry):
        return entry
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _held(root / f"{name}.lock"):
            if not is_whole(entry):
                _rebuild(entry, build, size)
    except OSError as error:
        raise unwritable(root, error) from error
    return entry


def unwritable(root: Path, error: Exception) -> ModelError:
    """The error that says where the cache is, what ailed it and how to move it."""
    return ModelError(
        f"the cache {root} cannot be written ({brief(error)}); point the environment variable "
        f"{VARIABLE} at a folder that you can write and that has room"
    )


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock, saying so where another process makes us wait."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0.5)
    except Timeout:
        log.info("waiting for another process that makes %s", path.stem)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _rebuild(entry: Path, build: Callable[[Path], None], size: int) -> None:
    _sweep(entry)
    free = shutil.disk_usage(entry.parent).free
    if free < size:
        raise OSError(f"{free >> 20} MiB free, {size >> 20} MiB needed")
    folder = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f".{entry.name}."))
    try:
        build(folder)
        _write_manifest(folder)
        folder.rename(entry)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(entry: Path) -> None:
    """Remove a damaged entry and what a killed process left; the lock says nobody is building."""
    if entry.exists():
        log.warning("%s is damaged or unfinished; making it again", entry)
        shutil.rmtree(entry)
    for leftover in entry.parent.glob(f".{entry.name}.*"):
        shutil.rmtree(leftover)


def _write_manifest(folder: Path) -> None:
    folder.chmod(0o755)
    records = {}
    for path in sorted(folder.iterdir()):
        path.chmod(0o644)
        status = path.stat()
        records[path.name] = {
            "size": status.st_size,
            "time": status.st_mtime_ns,
            "sha256": sha256_of(path),
        }
    (folder / MANIFEST).write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


def _unchanged(path: Path, record: dict[str, object]) -> bool:
    status = path.stat()
    if status.st_size != record["size"]:
        return False
    return status.st_mtime_ns == record["time"] or sha256_of(path) == record["sha256"]


def sha256_of(path: Path) -> str:
    """The file's sha256 digest, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
