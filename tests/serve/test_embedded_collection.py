"""What `make serve` lets the page draw from: the embedded collection."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from data.beir import write_beir
from data.collections import load
from serve.http import create_app
from serve.samples import samples_router
from tests.serve.fake import FakeService

ROOT = Path(__file__).parents[2]


def test_its_queries_are_offered_and_find_what_answers_them(tmp_path):
    embedded = load("embedded")
    write_beir(embedded, tmp_path / "embedded")
    router = samples_router(FakeService(), tmp_path / "embedded")
    client = TestClient(create_app(FakeService(), routers=[router]))
    offered = client.get("/samples").json()
    assert offered["collection"] == "embedded"
    assert offered["queries"] == list(embedded.queries.values())
    found = 0
    for id_, query in embedded.queries.items():
        reply = client.post("/search", json={"query": query, "depth": 20})
        passages = reply.json()["passages"]
        assert 0 < len(passages) <= 20
        assert all(each["text"] == embedded.passages[each["id"]].text for each in passages)
        found += any(embedded.qrels[id_].get(each["id"], 0) >= 2 for each in passages)
    # BM25 puts an answer among its best 20 for most of the questions.
    assert found > 0.6 * len(embedded.queries)


@pytest.mark.parametrize("given", [None, "", "/elsewhere"])
def test_make_serve_names_it_unless_told_otherwise(given):
    commands = _commands("--always-make", "serve")
    assert "-m data export embedded .venv/collections/embedded\n" in commands
    setting = re.search(r"^RERANKER_SERVE_COLLECTION=\S+", commands, re.MULTILINE)
    script = f"{setting[0]}; echo $RERANKER_SERVE_COLLECTION"
    environment = {} if given is None else {"RERANKER_SERVE_COLLECTION": given}
    shown = subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert shown == (str(ROOT / ".venv/collections/embedded") if given is None else given)


def _commands(*words):
    """What make would run, whatever make runs these tests."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("needs make")
    done = subprocess.run(
        [make, "-n", *words], cwd=ROOT, env={"PATH": os.defpath}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
