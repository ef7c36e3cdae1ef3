"""The examples of docs/retrievers.md, over the tiny model and vectors made by hand."""

import importlib
import re
import shlex
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from reranker.cli.app import app
from reranker.run import Run, read_trec, write_trec
from tests.examples.conftest import RETRIEVERS
from tests.serve.house import tiny_reranker
from tests.tiny import save_tiny

ROOT = RETRIEVERS.parents[1]
TEXT = (ROOT / "docs" / "retrievers.md").read_text(encoding="utf-8")
# Their vectors are made by hand here, for there may be no model.
DENSE = {"faiss_dense": "faiss", "qdrant_local": "qdrant_client"}
LEXICAL = {"bm25": "bm25s", "sqlite_fts5": "sqlite3"}


@pytest.fixture
def example(monkeypatch):
    """An example by name, imported as where it is run."""
    monkeypatch.syspath_prepend(str(RETRIEVERS))
    before = set(sys.modules)

    def load(name, package="numpy"):
        pytest.importorskip(package)
        if package == "faiss" and sys.platform == "darwin":
            pytest.skip("faiss and torch may crash together on macOS")
        return importlib.import_module(name)

    yield load
    for name in set(sys.modules) - before:
        if name in {path.stem for path in RETRIEVERS.glob("*.py")}:
            del sys.modules[name]


@pytest.fixture
def passages(example):
    return example("passages").PASSAGES


def encode(texts):
    """A vector a text, (texts, 64): the sum of its words', which their checksums draw."""
    return np.stack([sum(map(vector_of, re.findall(r"\w+", text.lower()))) for text in texts])


def vector_of(word):
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=64)


def shown(ranking):
    return "".join(f"{p.rank} {p.id} {p.score:.2f} {p.text}\n" for p in ranking)


@pytest.mark.parametrize(("name", "package"), LEXICAL.items())
def test_lexical_candidates_are_reranked(example, passages, capsys, name, package):
    module = example(name, package)
    found = module.Index(passages).search(module.QUERY)
    by_id = {passage["id"]: passage for passage in passages}
    assert all(passage == by_id[passage["id"]] for passage in found)
    assert {"films", "author", "buggy", "pilat", "grass"} <= {each["id"] for each in found}
    assert not {"novel", "worms"} & {each["id"] for each in found}
    assert module.Index(passages).search(module.QUERY, 2) == found[:2]
    module.main(tiny_reranker())
    assert capsys.readouterr().out == shown(tiny_reranker().rank(module.QUERY, found))


def test_no_word_is_an_operator_of_fts5(example, passages):
    index = example("sqlite_fts5").Index(passages)
    found = {each["id"] for each in index.search('"OR (NOT sand* NEAR -"')}
    assert found == {"sand", "buggy", "worms", "pilat"}
    assert index.search("?!") == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_faiss_candidates_are_reranked(example, passages, capsys):
    module = example("faiss_dense", DENSE["faiss_dense"])
    index = module.Index(passages, encode)
    check_dense(passages, lambda query, *depth: index.search(query, *depth))
    module.main(tiny_reranker(), encode)
    ranking = tiny_reranker().rank(module.QUERY, index.search(module.QUERY))
    assert capsys.readouterr().out == shown(ranking)


def test_qdrant_candidates_are_reranked(example, passages, capsys):
    module = example("qdrant_local", DENSE["qdrant_local"])
    client = module.QdrantClient(":memory:")
    module.fill(client, passages, encode)
    check_dense(passages, lambda query, *depth: module.search(client, query, encode, *depth))
    module.main(tiny_reranker(), encode)
    ranking = tiny_reranker().rank(module.QUERY, module.search(client, module.QUERY, encode))
    assert capsys.readouterr().out == shown(ranking)
    client.close()


def check_dense(passages, search):
    """Passages come by their vectors' cosine, whole, and as many as asked for."""
    query = "a long desert story"
    vectors = encode([passage["text"] for passage in passages])
    cosines = vectors @ encode([query])[0] / np.linalg.norm(vectors, axis=1)
    wanted = [passages[place] for place in np.argsort(-cosines, kind="stable")]
    found = search(query)
    assert sorted(each["id"] for each in found) == sorted(each["id"] for each in passages)
    assert found[:3] == search(query, 3) == wanted[:3]


def test_candidates_are_reranked_over_http(example, passages, capsys, running, monkeypatch):
    module = example("over_http")
    monkeypatch.setenv("RERANKER_API_KEY", running.key)
    candidates = module.Index(passages).search(module.QUERY)
    ranking = tiny_reranker().rank(module.QUERY, candidates)
    found = module.rerank(module.QUERY, candidates, address=running.address, top=3)
    assert [passage["id"] for passage, _ in found] == [passage.id for passage in ranking[:3]]
    module.main(running.address)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [passage.id for passage in ranking]


def test_a_service_that_refuses_is_not_passed_over(example, passages, running, monkeypatch):
    module = example("over_http")
    monkeypatch.delenv("RERANKER_API_KEY", raising=False)
    with pytest.raises(module.httpx.HTTPStatusError, match="401"):
        module.rerank(module.QUERY, passages, address=running.address)


def test_a_run_is_reranked_as_told(tmp_path: Path, passages, monkeypatch):
    [command] = re.findall(r"\$ (reranker rank (?:\\\n|[^\n])*)", TEXT)
    argv = shlex.split(re.sub(r"\\\n|#.*", " ", command))[1:]
    monkeypatch.chdir(tmp_path)
    folder = Path(argv[argv.index("--collection") + 1])
    folder.mkdir()
    rows = [f'{{"_id": "{each["id"]}", "text": "{each["text"]}"}}\n' for each in passages]
    (folder / "corpus.jsonl").write_text("".join(rows))
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "who wrote Dune?"}\n')
    run = Run("first", {"q1": [(each["id"], -float(i)) for i, each in enumerate(passages)]})
    write_trec(run, argv[argv.index("--run") + 1])
    model = ["--model", str(save_tiny(tmp_path / "tiny")), "--layout", "suffix"]
    assert CliRunner().invoke(app, [*argv, *model], catch_exceptions=False).exit_code == 0
    reranked = read_trec(argv[argv.index("--output") + 1])
    assert sorted(reranked.ids("q1")) == sorted(each["id"] for each in passages)


def test_every_example_is_told():
    for path in RETRIEVERS.iterdir():
        if path.is_file():
            assert f"examples/retrievers/{path.name}" in TEXT
            assert path.read_text(encoding="utf-8") in TEXT
