"""What the page asks, and how it shows refusals, over a service that is made up."""

import pytest

from serve.errors import Refusal, ServiceError
from tests.serve.browser import browsing, chromium
from tests.serve.fake import KEY, FakeService
from tests.serve.pages import ask, opened, paged, rerank, texts

sync_api = pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")
if chromium() is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)
expect = sync_api.expect


@pytest.fixture(scope="module")
def context():
    with browsing() as found:
        yield found


@pytest.fixture
def service():
    return FakeService()


@pytest.fixture
def page(context, service):
    with paged(service) as address, opened(context, address) as (found, said):
        ask(found, "one two", "none\none\none two")
        yield found
        assert not [each for each in said if not each.startswith("Failed to load resource")]


def test_a_refusal_is_shown_as_it_was_given(page, service):
    said = "17 tokens wait, and <b>no more</b> are taken in"
    service.error = ServiceError(Refusal.QUEUE_FULL, said, retry_after=7.0)
    page.get_by_role("button", name="Rerank").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("429")
    expect(alert).to_contain_text(said)
    expect(alert).to_contain_text("Worth trying again in 7 s.")
    service.error = None
    rerank(page)
    expect(alert).to_be_hidden()


def test_a_service_that_is_gone_is_told(context):
    with paged(FakeService()) as address:
        page = context.new_page()
        page.goto(address)
        page.locator("#found:not(:empty)").wait_for()
    page.get_by_role("button", name="Rerank").click()
    expect(page.get_by_role("alert")).to_contain_text("did not answer")
    page.close()


def test_without_a_key_the_page_asks_for_one(context):
    with paged(FakeService(KEY)) as address, opened(context, address) as (page, _):
        expect(page.get_by_role("alert")).to_contain_text("401")
        field = page.get_by_label("API key")
        expect(field).to_be_focused()
        field.fill(KEY)
        field.press("Tab")
        expect(page.locator("#about")).to_contain_text("fake")
        expect(page.get_by_role("alert")).to_be_hidden()
        rerank(page)
        kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        assert KEY not in kept + page.evaluate("document.cookie")
        assert KEY not in page.url


def test_options_go_into_the_request(page, service):
    page.get_by_label("Best only").fill("2")
    page.get_by_label("0 to 1").check()
    rerank(page)
    asked = service.asked[-1]
    assert (asked.top_n, asked.raw_scores, asked.explain) == (2, False, True)
    assert [passage.text for passage in asked.passages] == ["none", "one", "one two"]
    assert texts(page) == ["one two", "one"]
    expect(page.locator("#ranking .lines path")).to_have_count(2)
    expect(page.locator("#ranking tbody .before")).to_have_count(3)


def test_first_stage_scores_order_what_stands_before(page, service):
    page.get_by_label("Passages", exact=True).fill(
        '{"text": "a", "score": 1}\n{"text": "b", "score": 3}\n{"text": "c", "score": 2}'
    )
    expect(page.locator(".preview li")).to_have_text(["b", "c", "a"])
    rerank(page)
    assert service.asked[-1].first_stage_scores == (1.0, 3.0, 2.0)
    expect(page.locator("#ranking .before .short")).to_have_text(["b", "c", "a"])


def test_a_run_can_be_stopped(page, service):
    service.seconds = 60.0
    page.get_by_role("button", name="Rerank").click()
    expect(page.get_by_role("button", name="Reranking…")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Rerank", exact=True)).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("status")).to_have_text("Stopped.")


def test_an_edit_after_a_ranking_is_told(page):
    rerank(page)
    stale = page.get_by_text("Edited since")
    expect(stale).to_be_hidden()
    page.get_by_label("Query").fill("two")
    expect(stale).to_be_visible()
    page.get_by_label("Query").fill("one two")
    expect(stale).to_be_hidden()


def test_nothing_is_asked_without_a_query(page, service):
    page.get_by_label("Query").fill("")
    page.get_by_role("button", name="Rerank").click()
    assert page.get_by_label("Query").evaluate("each => each.matches(':invalid:focus')")
    assert not service.asked


READINGS = [
    ("a\nb\n\n", "detect", ["a", "b"], "2 passages, one a line"),
    ("  a \r\nb\r\n", "detect", ["a", "b"], "2 passages, one a line"),
    ("a\nb\n\nc", "detect", ["a\nb", "c"], "2 passages, blank lines between"),
    ("a\r\nb\r\n\r\nc", "detect", ["a\nb", "c"], "2 passages, blank lines between"),
    ("a\n\nb", "lines", ["a", "b"], "2 passages, one a line"),
    ('["a", {"contents": "b", "docid": 3}]', "detect", ["a", "b"], "2 passages, JSON, with ids"),
    ('{"query": "q", "documents": ["a"]}', "detect", ["a"], "1 passage, JSON"),
    ('{"text": "a", "title": "t"}', "detect", ["a"], "1 passage, JSON, with titles"),
    ('"a"\n"b"', "json", ["a", "b"], "2 passages, JSON lines"),
    ("[1] first\n[2] second", "detect", ["[1] first", "[2] second"], "2 passages, one a line"),
    ('["a",', "detect", ['["a",'], "1 passage, one a line; not read as JSON"),
    ("", "detect", [], ""),
]


@pytest.mark.parametrize(("text", "reading", "passages", "said"), READINGS)
def test_how_passages_are_read(page, text, reading, passages, said):
    read = page.evaluate(
        "async ([text, reading]) =>"
        " (await import('/parts/passages.js')).readPassages(text, reading)",
        [text, reading],
    )
    assert [passage["text"] for passage in read["passages"]] == passages
    assert read["said"].startswith(said)
    assert said or not read["said"]


def test_text_that_is_to_be_json_and_is_not_is_not_sent(page, service):
    page.get_by_label("Read passages as").select_option("json")
    expect(page.locator("#found")).to_contain_text("not read as JSON")
    page.get_by_role("button", name="Rerank").click()
    assert not service.asked


def test_a_pasted_request_fills_the_query_too(page):
    page.evaluate(
        """() => {
        const field = document.getElementById("passages");
        field.value = '{"query": "pasted", "texts": ["a", "b"]}';
        field.dispatchEvent(new ClipboardEvent("paste"));
    }"""
    )
    expect(page.get_by_label("Query")).to_have_value("pasted")
    expect(page.get_by_label("Passages", exact=True)).to_have_value("a\nb")


def test_without_a_collection_there_is_nothing_to_draw_from(page):
    expect(page.get_by_role("button", name="Order by BM25")).to_be_visible()
    expect(page.locator("#draw")).to_be_hidden()
    expect(page.locator("#without")).to_be_hidden()


def test_without_bm25_the_page_says_so(context, monkeypatch, tmp_path):
    monkeypatch.setattr("serve.samples._PACKAGES", ("no_such_package",))
    with paged(FakeService(), tmp_path) as address, opened(context, address) as (page, said):
        expect(page.locator("#without")).to_contain_text("BM25 is not installed")
        expect(page.locator("#without")).to_contain_text("pip install 'reranker[bm25]'")
        expect(page.get_by_role("button", name="Order by BM25")).to_be_hidden()
        expect(page.locator("#draw")).to_be_hidden()
        assert not said
