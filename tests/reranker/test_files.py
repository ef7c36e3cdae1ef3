import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from reranker.collection import read_beir
from reranker.errors import DataError
from reranker.files import reading, replacing, write_atomically
from reranker.qrels import read_qrels
from reranker.run import read_trec


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / name
    write_atomically(path, "ä\nb\n")
    with reading(path) as stream:
        assert stream.read() == "ä\nb\n"
    if name.endswith(".gz"):
        assert gzip.decompress(path.read_bytes()).decode() == "ä\nb\n"


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\ufeffq1", encoding="utf-8")
    with reading(path) as stream:
        assert stream.read() == "q1"


# Blank lines, which every reader passes over.
WHOLE = gzip.compress(b"\n" * 9999)
DAMAGED = {
    "truncated": WHOLE[:-9],
    "no deflate": WHOLE[:10] + b"\xff" * 20,
    "no gzip": b"plain",
    "another sum": WHOLE[:-8] + bytes(8),
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("reader", [read_trec, read_qrels, read_beir])
def test_a_damaged_archive_is_one_kind_of_error(
    tmp_path: Path, reader: Callable[[Path], object], damaged: bytes
) -> None:
    path = tmp_path / "corpus.jsonl.gz"
    path.write_bytes(damaged)
    with pytest.raises(OSError), reading(path) as stream:  # noqa: PT011 - any
        stream.read()
    with pytest.raises(DataError, match=r"corpus\.jsonl\.gz cannot be read"):
        reader(tmp_path if reader is read_beir else path)


def test_a_link_stays_a_link_and_a_mode_a_mode(tmp_path: Path) -> None:
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o600)
    link.symlink_to(path)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")

    def fail_midway() -> None:
        with replacing(path) as stream:
            stream.write("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_midway()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
