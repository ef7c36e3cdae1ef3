"""The snippets of docs/integrations.md, run as they stand."""

import re

import pytest

import reranker
from tests.integrations.conftest import KEY, ROOT

PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
SNIPPETS = dict(re.findall(r"^## (\w+)\n\n```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
PACKAGES = {
    "LangChain": "langchain_core",
    "LlamaIndex": "llama_index.core",
    "Haystack": "haystack",
    "PyTerrier": "pyterrier",
}


@pytest.fixture
def run(address, client, monkeypatch, capsys):
    """Run a snippet against the tests' service; give what it printed."""

    def run(snippet):
        monkeypatch.setenv("RERANKER_API_KEY", KEY)
        here = snippet.replace("http://127.0.0.1:8000", address)
        monkeypatch.setattr(reranker, "Client", lambda *_, **__: client)
        exec(compile(here, "docs/integrations.md", "exec"), {})
        return capsys.readouterr().out.splitlines()

    return run


def test_every_section_has_a_snippet():
    assert list(SNIPPETS) == ["Client", *PACKAGES, "MTEB"]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_frameworks_snippet(name, request):
    pytest.importorskip(PACKAGES[name])
    lines = request.getfixturevalue("run")(SNIPPETS[name])
    assert sum(bool(re.search(r"\b[ab] .*\d\.\d", line)) for line in lines) == 2


def test_the_clients_snippet(address, monkeypatch, capsys):
    made = reranker.Client
    monkeypatch.setattr(
        reranker, "Client", lambda url, **rest: made(address, **{**rest, "api_key": KEY})
    )
    exec(compile(SNIPPETS["Client"], "docs/integrations.md", "exec"), {})
    assert re.match(r"[01] -?\d", capsys.readouterr().out)


def test_mtebs_snippet(client, monkeypatch, capsys):
    mteb = pytest.importorskip("mteb")
    # Its tasks are downloaded: here nothing is.
    monkeypatch.setattr(reranker, "Reranker", lambda: client)
    monkeypatch.setattr(mteb, "get_task", lambda name: name)
    monkeypatch.setattr(mteb, "evaluate", lambda model, task: (model.mteb_model_meta.name, task))
    exec(compile(SNIPPETS["MTEB"], "docs/integrations.md", "exec"), {})
    assert capsys.readouterr().out == "('me/reranker', 'AskUbuntuDupQuestions')\n"
