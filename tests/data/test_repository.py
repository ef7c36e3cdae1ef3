import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from data.hub import load_hub, read_repository
from reranker.errors import DataError, MissingExtraError
from reranker.passage import Passage

pytest.importorskip("datasets")

Rows = Sequence[Mapping[str, object]]
CORPUS: Rows = [{"_id": "a", "title": "T", "text": "one"}, {"_id": "b", "title": "", "text": "two"}]
QUERIES: Rows = [{"_id": "q1", "text": "first"}, {"_id": "q2", "text": "second"}]
TEST: Rows = [{"query-id": "q1", "corpus-id": "a", "score": 1}]
DEV: Rows = [{"query-id": "q2", "corpus-id": "b", "score": 2}]


def repository(folder: Path, configs: Mapping[str, Mapping[str, Rows]]) -> str:
    """A local folder that `datasets` reads as it reads a repository of the hub."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, rows in splits.items():
            path = folder / config / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            lines += [f"  - split: {split}", f"    path: {config}/{split}.jsonl"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
    return str(folder)


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    datasets.disable_progress_bars()


def test_reads_passages_queries_and_judgments(tmp_path: Path) -> None:
    configs = {
        "corpus": {"corpus": CORPUS},
        "queries": {"queries": QUERIES},
        "default": {"test": TEST, "validation": DEV},
    }
    name = repository(tmp_path, configs)
    found = read_repository(name)
    assert found.passages == {"a": Passage("one", "a", "T"), "b": Passage("two", "b")}
    assert (found.queries, found.qrels) == ({"q1": "first"}, {"q1": {"a": 1}})
    assert read_repository(name, split="dev").qrels == {"q2": {"b": 2}}
    with pytest.raises(DataError, match="no 'train'"):
        read_repository(name, split="train")


def test_one_of_several_collections_and_judgments_beside_it(tmp_path: Path) -> None:
    parts = {"de-corpus": {"test": CORPUS}, "de-queries": {"test": QUERIES}}
    inside = repository(tmp_path / "inside", parts | {"de-qrels": {"test": TEST}})
    assert read_repository(inside, "de").qrels == {"q1": {"a": 1}}
    apart = {"corpus": {"corpus": CORPUS}, "queries": {"queries": QUERIES}}
    beside = repository(tmp_path / "beside", apart)
    repository(tmp_path / "beside-qrels", {"default": {"test": TEST}})
    assert read_repository(beside).qrels == {"q1": {"a": 1}}


def test_another_layout_is_told(tmp_path: Path) -> None:
    name = repository(tmp_path, {"default": {"train": CORPUS}})
    with pytest.raises(DataError, match="no configuration 'corpus'"):
        read_repository(name)


def test_what_cannot_be_had_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="HF_HUB_OFFLINE"):
        read_repository(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("spec", ["name", "a/b/c/d", "a/", ""])
def test_a_spec_of_another_form_is_refused(spec: str) -> None:
    with pytest.raises(DataError, match="hf:OWNER/NAME"):
        load_hub(spec)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"reranker\[eval\]"):
        load_hub("BeIR/nfcorpus")
