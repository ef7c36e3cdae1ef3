"""The page, driven in headless Chromium over the tiny model."""

import json

import pytest

from tests.serve.browser import browsing, chromium
from tests.serve.house import passages as tiny_passages
from tests.serve.house import tiny_reranker
from tests.serve.pages import FOUND, ask, opened, rerank, texts, tiny_service

sync_api = pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")
if chromium() is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)
expect = sync_api.expect

QUERY = "which of them sleep?"
PASSAGES = ["Stones lie still.", "Bats sleep by day.", "Swifts sleep.", "Rivers run."]
HOSTILE = "</textarea><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with tiny_service(tmp_path_factory.mktemp("collection")) as found:
        yield found


@pytest.fixture(scope="module")
def context(address):
    # After the service, so that the browser's loop is over when the service stops.
    with browsing(viewport={"width": 1280, "height": 900}) as found:
        yield found


@pytest.fixture
def page(context, address):
    with opened(context, address) as (found, said):
        yield found
        assert not said


def many(count):
    return "\n".join(passage.text for passage in tiny_passages(count))


def test_what_is_pasted_is_ranked_as_the_library_ranks_it(page):
    ask(page, QUERY, "\n".join(PASSAGES))
    expect(page.locator("#found")).to_have_text("4 passages, one a line")
    expect(page.locator(".preview li")).to_have_text(PASSAGES)
    rerank(page)
    ranking = tiny_reranker().rank(QUERY, PASSAGES)
    assert texts(page) == [passage.text for passage in ranking]
    shown = page.locator("#ranking .number").all_text_contents()[1:]
    assert [float(each.replace("\u2212", "-")) for each in shown] == pytest.approx(
        [passage.score for passage in ranking], abs=0.006
    )
    assert page.locator("#ranking .bar").count() == 4


def test_a_line_joins_a_passages_place_before_and_its_rank(page):
    ask(page, QUERY, "\n".join(PASSAGES))
    answer = rerank(page)
    lines = page.locator("#ranking .lines path")
    expect(lines).to_have_count(4)
    middles = [
        box["y"] + box["height"] / 2
        for box in (row.bounding_box() for row in page.locator("#ranking tbody tr").all())
    ]
    for index in range(4):
        rank = [result["index"] for result in answer["results"]].index(index)
        line = page.locator(f"#ranking .lines path[data-key='{index}']")
        ends = line.evaluate(
            "each => { const top = each.ownerSVGElement.getBoundingClientRect().top;"
            "return [0, each.getTotalLength()].map(at => each.getPointAtLength(at).y + top) }"
        )
        assert ends == pytest.approx([middles[index], middles[rank]], abs=1.5)
        kind = "up" if rank < index else "down" if rank > index else "same"
        assert line.get_attribute("class") == kind
    was = answer["results"][0]["index"] + 1
    said = page.locator("#ranking tbody th").first.text_content()
    assert f"was {was}" in said if was > 1 else "as before" in said


def test_the_outcome_is_announced(page):
    ask(page, QUERY, "\n".join(PASSAGES))
    rerank(page)
    best = tiny_reranker().rank(QUERY, PASSAGES)[0].text
    status = page.get_by_role("status")
    expect(status).to_contain_text("4 passages ranked in")
    expect(status).to_contain_text(best)


def test_windows_are_stepped_through(page):
    ask(page, QUERY, many(12))
    windows = rerank(page)["explanation"]["windows"]
    assert len(windows) == 3
    expect(page.locator("#windows .map g")).to_have_count(3)
    slider = page.get_by_role("slider", name="Window")
    slider.focus()
    for step, window in enumerate(windows, 1):
        facts = page.locator("#windows .step .facts")
        expect(facts).to_contain_text(f"Window {step} of 3")
        expect(facts).to_contain_text(f"{window['tokens']} tokens")
        ordered = sorted(zip(window["logits"], window["candidates"], strict=True), reverse=True)
        names = [str(tiny_passages(12)[place].text.strip()) for _, place in ordered]
        assert texts(page, "#windows") == names
        read = page.locator("#windows tbody .before .name").all_text_contents()
        assert read == window["identifiers"]
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Previous window").click()
    expect(page.locator("#windows .step .facts")).to_contain_text("Window 2 of 3")
    page.locator("#windows .map g").first.click()
    expect(page.locator("#windows .step .facts")).to_contain_text("Window 1 of 3")


def test_latency_is_split_and_adds_up(page):
    ask(page, QUERY, "\n".join(PASSAGES))
    spent = rerank(page)["milliseconds"]
    table = page.locator("#latency table")
    expect(table).to_contain_text("Tokenise")
    expect(table).to_contain_text("Round trip from this page")
    widths = [
        float(each.get_attribute("width")) for each in page.locator("#latency .split rect").all()
    ]
    assert sum(widths) == pytest.approx(100)
    assert widths[2] == pytest.approx(100 * spent["engine"] / spent["total"], abs=0.1)


def test_what_was_cut_is_marked_and_told(page):
    ask(page, QUERY, f"{'long ' * 60}\nshort")
    warning = rerank(page)["warnings"][0]
    expect(page.get_by_text("What was cut")).to_be_visible()
    expect(page.get_by_text(warning, exact=True)).to_be_visible()
    expect(page.locator("#ranking .mark")).to_have_count(1)


def test_texts_are_never_markup(page):
    ask(page, HOSTILE, json.dumps([HOSTILE, {"text": "plain", "title": HOSTILE, "id": HOSTILE}]))
    expect(page.locator("#found")).to_have_text("2 passages, JSON, with titles, ids")
    rerank(page)
    for button in page.locator("#ranking button.text").all():
        button.click()
    assert sorted(texts(page)) == [HOSTILE, f"{HOSTILE}: plain"]
    assert page.evaluate("window.hacked") is None
    assert page.locator(".answer script, .answer img").count() == 0


def test_an_opened_passage_shows_its_windows(page):
    ask(page, QUERY, many(12))
    windows = rerank(page)["explanation"]["windows"]
    first = page.locator("#ranking button.text").first
    first.click()
    expect(first).to_have_attribute("aria-expanded", "true")
    index = int(page.locator("#ranking tbody tr").first.get_attribute("data-row"))
    seen = sum(index in window["candidates"] for window in windows)
    details = page.locator("#ranking .details").first
    expect(details.get_by_text("window ")).to_have_count(seen)
    first.click()
    expect(details).to_be_hidden()


def test_keyboard_alone(page):
    def tab_to(id_):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == id_:
                return
        raise AssertionError(f"the tab key never reaches {id_}")

    tab_to("query")
    page.keyboard.press("Control+A")
    page.keyboard.type(QUERY)
    tab_to("passages")
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("\n".join(PASSAGES))
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Ranking", exact=True)).to_be_visible()
    tab_to("rerank")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "text"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    second = page.locator("#ranking button.text").nth(1)
    expect(second).to_be_focused()
    expect(second).to_have_attribute("aria-expanded", "true")
    assert second.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"


def test_candidates_are_drawn_from_the_collection(page):
    page.get_by_label("Query").fill("who sleeps upside down?")
    page.get_by_label("best", exact=True).fill("2")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("#found")).to_have_text(
        "2 passages, JSON lines, with ids, first-stage scores"
    )
    expect(page.locator(".preview li")).to_have_text([FOUND["d2"], FOUND["d1"]])
    rerank(page)
    assert sorted(texts(page)) == sorted([FOUND["d1"], FOUND["d2"]])


def test_what_is_searched_for_becomes_the_query(page):
    box = page.get_by_label("Draw from the")
    assert page.locator("#asked option").evaluate_all("all => all.map(each => each.value)") == [
        "sleep"
    ]
    box.fill("stones")
    box.press("Enter")
    expect(page.locator(".preview li")).to_have_text([FOUND["d3"]])
    expect(page.get_by_label("Query")).to_have_value("stones")
    expect(box).to_have_value("")
    expect(page.get_by_role("status")).to_have_text("1 passage in BM25 order.")
    assert page.locator("#ranking table").count() == 0


def test_a_search_that_finds_nothing_leaves_the_form_as_it_was(page):
    ask(page, QUERY, "\n".join(PASSAGES))
    box = page.get_by_label("Draw from the")
    box.fill("zebras")
    box.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(
        "No passage of the collection has a word of the query."
    )
    expect(page.get_by_label("Query")).to_have_value(QUERY)
    expect(page.locator(".preview li")).to_have_text(PASSAGES)


def test_pasted_passages_are_ordered_by_bm25(page):
    ask(page, "bats by day", "\n".join(PASSAGES))
    page.get_by_role("button", name="Order by BM25").click()
    expect(page.locator(".preview li").first).to_have_text(PASSAGES[1])
    expect(page.locator(".preview li")).to_have_count(4)


def test_examples_are_offered_and_whole(page):
    for option in page.get_by_label("Example").locator("option").all()[1:]:
        page.get_by_label("Example").select_option(label=option.text_content())
        assert page.get_by_label("Query").input_value()
        assert 8 <= page.locator(".preview li").count() <= 12
