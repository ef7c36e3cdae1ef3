"""A newcomer's path: the first commands, and every link and picture on the way."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, blocks, name, prose, sequence

README = ROOT / "README.md"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@cache
def anchors(page: Path) -> set[str]:
    """What links may lead to in a page, as GitHub names its heads."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.DOTALL)
    found: dict[str, int] = {}
    for head in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\]\([^)]*\)", "", head)
        slug = re.sub(r"[^\w\- ]", "", plain).strip().lower().replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {f"{slug}-{n}" if n else slug for slug, most in found.items() for n in range(most + 1)}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_links_are_found() -> None:
    assert "docs/one-pass.svg" in LINK.findall(prose(README))
    assert "limits-and-refusals" in anchors(DOCS / "operations.md")
    assert "the-likelihood-of-the-query" in anchors(DOCS / "blocks.md")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_code_block_is_overlooked(page: Path) -> None:
    text = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert text.count("```") == 2 * len(sequence(page))


def test_the_first_two_commands_do_all() -> None:
    first = re.findall(r"^\$ (make \S+)", blocks(README, "console")[0], re.MULTILINE)
    assert first == ["make demo", "make test"]


def test_the_readme_goes_from_use_to_scale() -> None:
    heads = re.findall(r"^## (.+)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    wanted = ["Python", "Command line", "Service", "Training", "Scaling out"]
    assert [head for head in heads if head in wanted] == wanted


def test_the_index_names_every_page() -> None:
    index = DOCS / "README.md"
    named = {(DOCS / link).resolve() for link in LINK.findall(prose(index))}
    assert set(DOCS.glob("*.md")) - {index} <= named
    assert "docs/README.md" in LINK.findall(prose(README))


def test_the_files_of_the_design_are_there() -> None:
    files = re.findall(r"`([\w/]+\.py)`", (DOCS / "design.md").read_text(encoding="utf-8"))
    assert "engine.py" in files
    assert all((ROOT / file).is_file() or (ROOT / "reranker" / file).is_file() for file in files)
