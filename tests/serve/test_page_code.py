"""Requests as code: what the page offers to copy gives what the page shows."""

import json
import os
import subprocess
import sys

import pytest

from tests.serve.browser import browsing, chromium
from tests.serve.pages import ask, opened, rerank, tiny_service

sync_api = pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")
if chromium() is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)
expect = sync_api.expect

QUERY = 'what\'s "here"? $(touch x) `id` \\n ü 🎈'
TEXTS = ["It's \\ 'quoted' \"here\"", "BODY\nBODY", "$HOME `pwd` %s {x}", "Zoë\u2028\ttab 🎈"]
PASSAGES = [
    {"text": TEXTS[0], "score": 1.5},
    {"text": TEXTS[1], "score": 0.5},
    {"text": TEXTS[2], "score": 3.5},
    {"text": TEXTS[3], "title": "Title", "id": "z", "score": 2.5},
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with tiny_service(tmp_path_factory.mktemp("collection")) as found:
        yield found


@pytest.fixture(scope="module")
def context(address):
    with browsing(permissions=["clipboard-read", "clipboard-write"]) as found:
        yield found


@pytest.fixture
def page(context, address):
    with opened(context, address) as (found, said):
        ask(found, QUERY, json.dumps(PASSAGES))
        yield found
        assert not said


def copied(page, client):
    page.get_by_label(client, exact=True).check()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == page.locator("#copied code").text_content()
    return text


def run(*command, folder, text):
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"}
    done = subprocess.run(
        command, input=text, text=True, capture_output=True, cwd=folder, env=environment, check=True
    )
    assert not list(folder.iterdir())
    return done.stdout


def test_curl_answers_what_the_page_shows(page, address, tmp_path):
    text = copied(page, "curl")
    assert f"{address}/rank" in text
    shown = rerank(page)["results"]
    assert json.loads(run("bash", folder=tmp_path, text=text))["results"] == shown


def test_python_answers_what_the_page_shows(page, tmp_path):
    pytest.importorskip("requests")
    printed = run(sys.executable, "-", folder=tmp_path, text=copied(page, "Python"))
    shown = [f"{each['index']} {each['score']}" for each in rerank(page)["results"]]
    assert printed.splitlines() == shown


@pytest.mark.parametrize("client", ["Cohere", "LiteLLM"])
def test_other_clients_answer_in_the_order_that_the_page_shows(page, client, tmp_path):
    pytest.importorskip(client.lower())
    printed = run(sys.executable, "-", folder=tmp_path, text=copied(page, client))
    expect(page.get_by_text("the order is the same")).to_be_visible()
    # Documents go in first-stage order to clients that take no first-stage scores.
    first_stage = [2, 3, 0, 1]
    order = [first_stage[int(line.split()[0])] for line in printed.splitlines()]
    assert order == [each["index"] for each in rerank(page)["results"]]


def test_code_follows_the_form(page):
    page.get_by_label("Best only").fill("2")
    page.get_by_label("0 to 1").check()
    page.get_by_label("Model").select_option("other")
    page.get_by_text("Instruction and API key").click()
    page.get_by_label("Instruction", exact=True).fill("Be strict.")
    code = page.locator("#copied code")
    body = json.loads(code.text_content().split("<<'BODY'\n")[1].removesuffix("\nBODY"))
    assert body.pop("passages")[1] == TEXTS[1]
    assert body == {
        "query": QUERY,
        "first_stage_scores": [1.5, 0.5, 3.5, 2.5],
        "instruction": "Be strict.",
        "top_n": 2,
        "model": "other",
        "explain": True,
    }
    for client in ("Cohere", "LiteLLM"):
        page.get_by_label(client, exact=True).check()
        expect(code).to_contain_text("Be strict.")
        expect(code).to_contain_text("top_n=2")
        expect(code).to_contain_text("other")
        expect(code).not_to_contain_text("RERANKER_API_KEY")


def test_a_key_is_named_and_never_written(page):
    page.get_by_text("Instruction and API key").click()
    page.get_by_label("API key").fill("very secret")
    for client in ("curl", "Python", "Cohere", "LiteLLM"):
        page.get_by_label(client, exact=True).check()
        code = page.locator("#copied code").text_content()
        assert "RERANKER_API_KEY" in code
        assert "very secret" not in code
