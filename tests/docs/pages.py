"""The pages of the documentation, and the parts of them that tests read."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md")]
PAGES = sorted(PAGES, key=lambda page: page.relative_to(ROOT).as_posix())
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    """A page, as tests are named by it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return [text for kind, text in sequence(page) if kind == language]


def sequence(page: Path) -> list[tuple[str, str]]:
    """Every code block's language and text, in order."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(kind, re.sub(f"^{indent}", "", text, flags=re.M)) for indent, kind, text in found]


def prose(page: Path) -> str:
    """A page without code, and without the comments that generate parts of it."""
    text = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"`[^`\n]+`", "``", _BLOCK.sub("", text))


def commands(page: Path) -> list[str]:
    """The commands of a page's console blocks, each on one line."""
    text = "\n".join(blocks(page, "console"))
    return re.findall(r"^\$ (.*)$", re.sub(r"\\\n\s*", " ", text), re.MULTILINE)


def mentioned(page: Path) -> list[str]:
    """The commands that a page's text names; those of the log are history."""
    text = "" if page.name == "log.md" else _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return re.findall(r"`((?:make|python -m|reranker) [^`]+)`", " ".join(text.split()))
