"""What `pip install` brings: one name, whole, described as an index wants it."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

import reranker
from tests.release.conftest import ROOT

# Run without this environment's packages: what is loaded needs the standard library alone.
LIGHT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import reranker
for name in sys.argv[2:]:
    getattr(reranker, name)
print(json.dumps([reranker.__file__, reranker.__version__]))
"""
NAMES = ("Passage", "RankedPassage", "Ranking", "Run", "Collection", "Settings", "RerankerError")


@pytest.fixture(scope="module")
def files(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.fixture(scope="module")
def read(wheel: Path):
    """The text of a file beside the package, in the wheel's own folder."""

    def read(name: str) -> str:
        with ZipFile(wheel) as archive:
            [path] = [each for each in archive.namelist() if each.endswith(f".dist-info/{name}")]
            return archive.read(path).decode()

    return read


def test_it_holds_the_package_whole_and_nothing_else(files: set[str]) -> None:
    kept = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "reranker").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"reranker/py.typed", "reranker/adapters/default/adapter_model.safetensors"} <= kept
    assert {name for name in files if ".dist-info/" not in name} == kept


def test_it_brings_one_name(files: set[str], read) -> None:
    tops = {PurePosixPath(name).parts[0] for name in files}
    assert tops == {"reranker", f"reranker-{reranker.__version__}.dist-info"}
    assert read("top_level.txt") == "reranker\n"
    assert read("entry_points.txt") == "[console_scripts]\nreranker = reranker.cli:main\n"


def test_the_licence_comes_with_it(read) -> None:
    assert read("licenses/LICENSE") == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_an_index_can_read_what_describes_it(read) -> None:
    from packaging.metadata import Metadata

    found = Metadata.from_email(read("METADATA"), validate=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (found.name, str(found.version)) == ("reranker", reranker.__version__)
    assert found.summary == project["description"]
    assert str(found.requires_python) == project["requires-python"]
    assert found.license_expression == project["license"]
    assert found.description_content_type == "text/markdown"
    assert found.description.strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    assert set(found.provides_extra) == set(project["optional-dependencies"])
    needed = [each for each in found.requires_dist if each.marker is None]
    assert len(needed) == len(project["dependencies"])


def test_it_loads_where_nothing_else_is_installed(wheel: Path, tmp_path: Path) -> None:
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    command = [sys.executable, "-I", "-S", "-c", LIGHT, str(tmp_path), *NAMES]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file, version = json.loads(done.stdout)
    assert Path(file) == tmp_path / "reranker" / "__init__.py"
    assert version == reranker.__version__


def test_importing_it_loads_no_model_library() -> None:
    heavy = {"torch", "transformers", "peft", "numpy", "tokenizers"}
    code = f"import sys, reranker; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
