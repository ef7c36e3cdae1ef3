import hashlib
from pathlib import Path

import pytest

from reranker.errors import DataError
from tests.training.rows_of import row
from training.fingerprint import Fingerprint, fingerprint
from training.rows import write_rows


def test_it_counts_and_digests_the_text(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"{}\n\n{}")
    digest = hashlib.sha256(b"{}\n\n{}").hexdigest()
    assert fingerprint(tmp_path / "rows.jsonl") == Fingerprint(digest, 2, 6)


def test_a_gzipped_copy_has_the_same_and_another_text_another(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl.gz"):
        write_rows([row(), row("r")], tmp_path / name)
    write_rows([row(), row("s")], tmp_path / "c.jsonl")
    a, b, c = (fingerprint(path) for path in sorted(tmp_path.iterdir()))
    assert a == b
    assert a.sha256 != c.sha256


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        fingerprint(tmp_path / "none")
