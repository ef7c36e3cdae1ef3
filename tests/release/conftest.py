import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCAL = (".git", ".venv", ".*_cache", ".hypothesis", "build", "dist", "*.egg-info")
BUILD = (
    "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
)


def build(source: Path, what: str, output: Path) -> Path:
    """What setuptools makes of a source tree: the one file of it."""
    output.mkdir()
    command = [sys.executable, "-c", BUILD, what, str(output)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [made] = output.iterdir()
    return made


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of the working tree, unpacked."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "tree", ignore=shutil.ignore_patterns(*LOCAL), symlinks=True)
    with tarfile.open(build(folder / "tree", "build_sdist", folder / "dist")) as archive:
        archive.extractall(folder, filter="data")
    [unpacked] = folder.glob("reranker-*")
    return unpacked


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that comes of the source distribution."""
    return build(sdist, "build_wheel", tmp_path_factory.mktemp("wheel") / "dist")
