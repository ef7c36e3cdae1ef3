"""docs/api.md has every public name, as the code has it."""

import inspect
import re
import subprocess
import sys

import pytest

import reranker
from tests.docs.pages import DOCS, ROOT

PAGE = (DOCS / "api.md").read_text(encoding="utf-8")
GENERATED = ("api.md", "http.md", "quickstart.md")
CLASSES = [name for name in reranker.__all__ if inspect.isclass(getattr(reranker, name))]


def signature(head: str) -> str:
    """The code block below a head."""
    return PAGE.split(f"\n{head}\n")[1].split("```python\n")[1].split("\n```")[0]


def shown(text: str) -> list[str]:
    """The names of the parameters of a signature."""
    inside = text[text.index("(") + 1 : text.rindex(")")]
    return re.findall(r"(?:^|[\n(,])\s*\**(\w+):", re.sub(r"\[[^\[\]]*\]", "", inside))


def test_generated_pages_are_those_of_the_code():
    pytest.importorskip("cogapp")
    command = [sys.executable, "-m", "cogapp", "--check", *(f"docs/{name}" for name in GENERATED)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun: make docs"


def test_make_keeps_them_so():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [listed] = re.findall(r"^GENERATED := \$\(addprefix docs/,(.*)\)$", makefile, re.MULTILINE)
    marked = [page.name for page in DOCS.glob("*.md") if "[[[cog" in page.read_text("utf-8")]
    assert listed.split() == sorted(marked)


def test_every_public_name_is_there():
    told = {"RerankerError", "__version__"}
    assert all(f"\n### {name}\n" in PAGE for name in set(reranker.__all__) - told)
    assert all(
        name in PAGE.split("## Errors")[1] for name in vars(reranker.errors) if name[0] in "IR"
    )


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"RerankerError"}))
def test_signatures_are_those_of_the_code(name):
    cls = getattr(reranker, name)
    assert shown(signature(f"### {name}")) == list(inspect.signature(cls).parameters)
    methods = inspect.getmembers(cls, lambda each: inspect.isroutine(each))
    own = [m for m, _ in methods if m in vars(cls) and not m.startswith("_")]
    for method in own:
        wanted = [p for p in inspect.signature(getattr(cls, method)).parameters if p != "self"]
        assert shown(signature(f"#### {name}.{method}")) == wanted
