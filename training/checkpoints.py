"""Checkpoints on disk: sealed when whole, found again, thinned out.

A checkpoint is a folder `checkpoint-STEP`. Its seal, a manifest with the SHA-256 of every file,
is written last, so that one whose writing was broken off is told from a whole one.
"""

import hashlib
import json
import logging
import shutil
from pathlib import Path

from reranker.files import write_atomically
from training.errors import TrainingError

MANIFEST = "manifest.json"
PREFIX = "checkpoint-"

log = logging.getLogger(__name__)


def seal(folder: Path) -> None:
    """Declare a checkpoint whole."""
    files = {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.is_file()}
    write_atomically(folder / MANIFEST, json.dumps({"files": files}, indent=2) + "\n")


def last_whole(folder: Path) -> Path | None:
    """The latest whole checkpoint in a folder; None where no checkpoint was ever sealed.

    One that is damaged, or was never sealed, is passed over with a warning.

    Raises:
        TrainingError: where there were sealed ones, and all are damaged.
    """
    found = sorted(_checkpoints(folder), key=_step, reverse=True)
    for checkpoint in found:
        if (fault := _fault(checkpoint)) is None:
            return checkpoint
        log.warning("checkpoint %s is passed over: %s", checkpoint, fault)
    if any((checkpoint / MANIFEST).is_file() for checkpoint in found):
        raise TrainingError(
            f"every checkpoint in {folder} is damaged: {_fault(found[0])}; restore one, or remove "
            "the folder to start from the beginning"
        )
    return None


def thin(folder: Path, keep: int) -> None:
    """Remove all but the latest `keep` checkpoints."""
    for checkpoint in sorted(_checkpoints(folder), key=_step)[:-keep]:
        # Without its seal first, so that what is left of it is never taken for whole.
        (checkpoint / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(checkpoint)


def _checkpoints(folder: Path) -> list[Path]:
    found = folder.glob(f"{PREFIX}*") if folder.is_dir() else []
    return [path for path in found if path.is_dir() and path.name.removeprefix(PREFIX).isdigit()]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(PREFIX))


def _fault(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, if anything is."""
    try:
        files = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))["files"]
        changed = [name for name, digest in files.items() if _digest(checkpoint / name) != digest]
    except FileNotFoundError as error:
        return f"its writing was broken off ({Path(error.filename).name} is not there)"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"it cannot be read ({error})"
    return f"{', '.join(changed)} changed since it was written" if changed else None


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
