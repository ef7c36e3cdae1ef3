"""The Python of the pages, run as it stands, page by page, over the tiny model.

Names that a page leaves to its reader are given here. What shows a whole example is run with it, in
tests/examples; docs/integrations.md in tests/integrations; docs/api.md shows signatures.
"""

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reranker import Passage, Reranker, Run
from tests.docs.pages import DOCS, PAGES, ROOT, blocks, name
from tests.reranker.test_template import SINGLE

ELSEWHERE = {DOCS / "integrations.md", DOCS / "api.md"}
EXAMPLES = {path.read_text(encoding="utf-8") for path in (ROOT / "examples").rglob("*.py")}
QUERY, TEXTS = "who wrote Dune?", ["Dunes are sand.", "Frank Herbert wrote Dune."]


def snippets(page: Path) -> list[str]:
    return [text for text in blocks(page, "python") if text not in EXAMPLES]


class Hashed:
    """An encoder that knows no language, in the place of a sentence-transformers model."""

    def __init__(self, model: str) -> None:
        assert model == "FOLDER"

    def passages(self, texts: Sequence[str]) -> Any:
        return np.stack([self._vector(text) for text in texts])

    queries = passages

    def _vector(self, text: str) -> Any:
        drawn = np.random.default_rng(zlib.crc32(text.encode()))
        return drawn.normal(size=8).astype(np.float32)


def feedback(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr("data.dense.SentenceEncoder", Hashed)
    return {
        "passages": {str(place): Passage(text) for place, text in enumerate(TEXTS)},
        "queries": {"q": QUERY},
        "reranked": Run("reranked", {"q": [("1", 2.0), ("0", -1.0)]}),
        "FOLDER": "FOLDER",
        "text": QUERY,
        "ids": ["0", "1"],
        "cross_encoder_scores": [0.0, 3.0],
        "llm_scores": [-1.0, 2.0],
    }


LEFT: dict[str, Callable[[pytest.MonkeyPatch], dict[str, Any]]] = {"docs/feedback.md": feedback}


def plain(_: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"Reranker": Reranker, "query": QUERY, "passages": TEXTS, "candidates": TEXTS}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in ELSEWHERE and snippets(page)], ids=name
)
def test_the_python_of_a_page_runs(page, tiny, tmp_path, monkeypatch):
    pytest.importorskip("lmdb")
    monkeypatch.chdir(tmp_path)
    Path("rank_zephyr_alpha_template.yaml").write_text(SINGLE, encoding="utf-8")
    names = LEFT.get(name(page), plain)(monkeypatch)
    for number, snippet in enumerate(snippets(page), 1):
        exec(compile(snippet, f"{name(page)}, block {number}", "exec"), names)


def test_pages_with_python_are_found():
    found = {name(page) for page in PAGES if page not in ELSEWHERE and snippets(page)}
    wanted = ("blocks", "feedback", "python", "retrievers")
    assert found >= {"README.md", *(f"docs/{each}.md" for each in wanted)}
