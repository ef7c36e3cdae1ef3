import errno
import json
import os
import subprocess
import sys
import textwrap
from collections import namedtuple
from pathlib import Path

import pytest

from reranker import cache
from reranker.cache import cache_folder, cached_folder, is_whole
from reranker.errors import ModelError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


class Builder:
    def __init__(self, text="weights"):
        self.text, self.calls = text, 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "weights").write_text(self.text)
        (folder / "config").write_text("{}")


def make(build):
    return cached_folder("entry", build, size=1)


def test_the_variable_names_the_folder(folder, monkeypatch):
    assert cache_folder() == folder
    monkeypatch.delenv(cache.VARIABLE)
    assert cache_folder().name == "reranker"


def test_an_entry_is_built_once(folder):
    build = Builder()
    assert make(build) == make(build) == folder / "entry"
    assert build.calls == 1
    assert sorted(path.name for path in folder.iterdir()) == ["entry", "entry.lock"]


def test_a_file_of_another_size_is_made_again():
    build = Builder()
    (make(build) / "weights").write_text("weight")
    assert (make(build) / "weights").read_text() == "weights"
    assert build.calls == 2


def test_a_file_rewritten_in_the_same_size_is_made_again():
    build = Builder()
    path = make(build) / "weights"
    path.write_text("wEights")
    os.utime(path, ns=(1, 1))
    assert (make(build) / "weights").read_text() == "weights"


def test_a_copy_with_other_times_is_still_whole():
    build = Builder()
    os.utime(make(build) / "weights", ns=(1, 1))
    make(build)
    assert build.calls == 1


@pytest.mark.parametrize("manifest", ["{", "{}", "[]", '{"weights": 3}', '{"weights": {}}'])
def test_a_damaged_manifest_is_noticed(manifest):
    entry = make(Builder())
    (entry / cache.MANIFEST).write_text(manifest)
    assert not is_whole(entry)


def test_a_missing_file_is_noticed():
    entry = make(Builder())
    (entry / "config").unlink()
    assert not is_whole(entry)


def test_a_build_that_fails_leaves_nothing(folder):
    def fail(target):
        (target / "weights").write_text("half")
        raise ModelError("no")

    with pytest.raises(ModelError, match=r"^no$"):
        make(fail)
    assert [path.name for path in folder.iterdir()] == ["entry.lock"]


def test_what_a_killed_process_left_is_swept(folder):
    (folder / ".entry.abc").mkdir(parents=True)
    (folder / "entry").mkdir()
    (folder / "entry" / "weights").write_text("half")
    make(Builder())
    assert sorted(path.name for path in folder.iterdir()) == ["entry", "entry.lock"]


def test_a_cache_that_cannot_be_written_names_the_variable(folder):
    folder.write_text("a file in its place")
    with pytest.raises(ModelError, match=r"cannot be written.*RERANKER_CACHE"):
        make(Builder())


def test_a_disk_that_fills_up_names_the_variable(folder):
    def fail(target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelError, match=r"No space left.*RERANKER_CACHE"):
        make(fail)
    assert not (folder / "entry").exists()


def test_a_full_disk_is_noticed_before_the_work(monkeypatch):
    usage = namedtuple("usage", "total used free")(1 << 30, 1 << 30, 5 << 20)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage)
    build = Builder()
    with pytest.raises(ModelError, match=r"5 MiB free, 9 MiB needed.*RERANKER_CACHE"):
        cached_folder("entry", build, size=9 << 20)
    assert build.calls == 0


def test_a_read_only_cache_that_is_whole_is_used(monkeypatch):
    entry = make(Builder())
    monkeypatch.setattr(cache, "FileLock", None)
    assert make(None) == entry


def test_two_processes_build_once(folder, tmp_path):
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from reranker.cache import cached_folder

        def build(folder):
            with open(sys.argv[1], "a") as log:
                log.write("built\\n")
            time.sleep(0.7)
            (folder / "weights").write_text("weights")

        print((cached_folder("entry", build, size=1) / "weights").read_text())
        """
    )
    log = tmp_path / "log"
    command = [sys.executable, "-c", script, str(log)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["weights"] * 3
    assert log.read_text() == "built\n"
    assert set(json.loads((folder / "entry" / cache.MANIFEST).read_text())) == {"weights"}
