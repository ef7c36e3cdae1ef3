"""Fingerprints of data files, by which a checkpoint knows what it was trained on."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from training.lines import opened


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a data file holds: `rows` are its lines that are not blank, `size` is in bytes.

    All three are of the text, so that a file and its gzipped copy have the same.
    """

    sha256: str
    rows: int
    size: int


def fingerprint(path: str | Path) -> Fingerprint:
    """The fingerprint of a data file, gzipped or not.

    Raises:
        DataError: for a file that is not there or not whole.
    """
    digest, rows, size = hashlib.sha256(), 0, 0
    with opened(Path(path)) as stream:
        for line in stream:
            digest.update(line)
            rows += bool(line.strip())
            size += len(line)
    return Fingerprint(digest.hexdigest(), rows, size)
